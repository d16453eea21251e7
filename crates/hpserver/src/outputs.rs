//! What the steps of a shard caused, on its way to other lanes.
//!
//! It exists apart from `logic` so that a shard says what is to be done, and here it is seen when that can be. It owns
//! what waits, and the places it has reserved in the send lanes.
//!
//! Invariants: outputs go out in the order they came. Where a send lane has no place for one, it and all behind it wait
//! here. Nothing is handed on before `flush`, which keeps the order that hand-overs need.
//! Limits: a shard takes no further step while anything waits, so what waits here is one step's outputs; nor while an
//! eighth of the send stage's places is used here, for a service may take any time and others want to send.
//! Read next: `lane`, where they go.

use std::{collections::VecDeque, net::SocketAddr};

use crate::{
    Service, ShardId,
    fabric::{Dial, Fabric, repeat},
    lane::{Bundle, Class, Credit, Item},
    logic::LogicItem,
    ready::Ready,
    receive::ReceiveItem,
    send::SendItem,
};

/// One place in so many, and a shard has enough to send.
const USED_PART: usize = 8;

/// One thing a step caused, and where it goes.
enum Output<S: Service> {
    Send(usize, Class, SendItem<S>),
    Receive(usize, Class, ReceiveItem),
    Logic(ShardId, Class, LogicItem<S>),
    Dial(Box<(SocketAddr, Dial)>),
}

pub(crate) struct Outputs<S: Service> {
    /// What waits for a place, in order.
    waiting: VecDeque<Output<S>>,
    to_send: Vec<Bundle<SendItem<S>>>,
    to_receive: Vec<Bundle<ReceiveItem>>,
    to_logic: Vec<Bundle<LogicItem<S>>>,
    /// Places in the send lanes.
    credit: Vec<Credit>,
    /// Places that are used by what was sorted.
    used: usize,
    /// `Lifted`: to go after everything that was forwarded.
    lifts: Vec<(usize, Class, ReceiveItem)>,
}

impl<S: Service> Outputs<S> {
    pub(crate) fn new(receivers: usize, shards: usize, senders: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            to_send: repeat(senders),
            to_receive: repeat(receivers),
            to_logic: repeat(shards),
            credit: repeat(senders),
            used: 0,
            lifts: Vec::new(),
        }
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// As many places are held here as others may come to miss: what was sorted is to be sent before a service is
    /// called again, which may take any time.
    pub(crate) fn is_heavy(&self, fabric: &Fabric<S>) -> bool {
        self.used > 0 && self.used >= fabric.send[0].places(Class::Rest).max() / USED_PART
    }

    /// What most outputs are.
    pub(crate) fn send(&mut self, lane: usize, class: Class, item: SendItem<S>, fabric: &Fabric<S>) {
        if self.is_empty() && self.has_place(lane, class, &item, fabric) {
            self.to_send[lane].push(class, item);
        } else {
            self.waiting.push_back(Output::Send(lane, class, item));
        }
    }

    pub(crate) fn receive(&mut self, lane: usize, class: Class, item: ReceiveItem, fabric: &Fabric<S>) {
        self.put(Output::Receive(lane, class, item), fabric);
    }

    pub(crate) fn logic(&mut self, shard: ShardId, class: Class, item: LogicItem<S>, fabric: &Fabric<S>) {
        self.put(Output::Logic(shard, class, item), fabric);
    }

    pub(crate) fn dial(&mut self, addr: SocketAddr, dial: Dial, fabric: &Fabric<S>) {
        self.put(Output::Dial(Box::new((addr, dial))), fabric);
    }

    /// Goes on with what waited; the send lane whose place the first of it still waits for.
    pub(crate) fn go_on(&mut self, fabric: &Fabric<S>) -> Result<(), (usize, Class)> {
        while let Some(output) = self.waiting.pop_front() {
            match output {
                Output::Send(lane, class, item) if !self.has_place(lane, class, &item, fabric) => {
                    self.waiting.push_front(Output::Send(lane, class, item));
                    return Err((lane, class));
                }
                output => self.sort(output, fabric),
            }
        }
        Ok(())
    }

    /// Hands on what was sorted, in the order that hand-overs need: what this shard sent is ahead of what the
    /// next owner sends; the receive lane hears of a hand-over before the next owner can hand on; what is
    /// forwarded is ahead of what the receive lane sends once the barrier is lifted.
    pub(crate) fn flush(&mut self, fabric: &Fabric<S>, ready: &mut Ready) {
        for (lane, items) in self.to_send.iter_mut().enumerate() {
            fabric.to_send(lane, items, ready);
        }
        for (lane, items) in self.to_receive.iter_mut().enumerate() {
            fabric.to_receive(lane, items, ready);
        }
        for (shard, items) in self.to_logic.iter_mut().enumerate() {
            fabric.to_logic(shard, items, ready);
        }
        for (lane, class, item) in self.lifts.drain(..) {
            fabric.to_receive(lane, &mut Bundle::of(class, item), ready);
        }
        fabric.give_back(&mut self.credit, &fabric.send);
        self.used = 0;
    }

    /// For what needs no place.
    fn put(&mut self, output: Output<S>, fabric: &Fabric<S>) {
        if self.is_empty() {
            self.sort(output, fabric);
        } else {
            self.waiting.push_back(output);
        }
    }

    /// By where it goes.
    fn sort(&mut self, output: Output<S>, fabric: &Fabric<S>) {
        match output {
            Output::Send(lane, class, item) => self.to_send[lane].push(class, item),
            Output::Receive(lane, class, item @ ReceiveItem::Lifted { .. }) => {
                self.lifts.push((lane, class, item));
            }
            Output::Receive(lane, class, item) => self.to_receive[lane].push(class, item),
            Output::Logic(shard, class, item) => self.to_logic[shard].push(class, item),
            Output::Dial(dial) => fabric.dial(dial.0, dial.1),
        }
    }

    fn has_place(&mut self, lane: usize, class: Class, item: &SendItem<S>, fabric: &Fabric<S>) -> bool {
        if !item.counted() {
            return true;
        }
        let has_place = self.credit[lane].take(&fabric.send[lane], class);
        self.used += usize::from(has_place);
        has_place
    }
}
