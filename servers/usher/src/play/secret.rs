//! The world of a person's client: it knows the password and makes the proofs.
//!
//! Why: the machine passes on texts and holds no secret.
//! Invariants: the password is asked for before the screen is taken over, kept until the client ends (a ticket that
//! expired needs it again), and overwritten then.
//! Read next: `usher_secure::scram`.

use usher_proto::machine::{Answer, ClientProof, Exchange, Question};
use usher_runtime::answers::World;
use usher_secure::scram::{self, ClientKeys, ScramError, ServerFirst};
use usher_secure::{Ticket, os_rng};
use zeroize::Zeroizing;

/// An account's name and password.
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) password: Zeroizing<String>,
}

impl Secret {
    fn client_final(&self, exchange: &Exchange) -> Result<ClientProof, ScramError> {
        let Exchange { client_first, server_first } = exchange;
        let asked = ServerFirst::parse(server_first)?;
        let keys = ClientKeys::derive(&self.password, &asked.salt, asked.iterations)?;
        let proof = scram::client_final(client_first, server_first, &keys)?;
        Ok(ClientProof { client_final: proof.text, server_final: proof.server_final })
    }
}

impl World for Secret {
    fn answer(&mut self, _id: u64, question: Question, _: Option<&Ticket>, _: u64) -> Option<Answer> {
        match question {
            Question::ClientFirst { .. } => {
                let client_first = scram::client_first(&self.name, &scram::fresh_nonce(&mut os_rng()));
                Some(Answer::ClientFirst(client_first.ok()))
            }
            Question::ClientFinal { exchange, .. } => {
                Some(Answer::ClientFinal(self.client_final(&exchange).ok()))
            }
            _ => None, // a client asks nothing else
        }
    }
}
