//! The dashboard in a real browser.
//!
//! `USHER_WRITE_SCREENSHOTS=1 cargo test -p usher --test e2e outside::dashboard -- --ignored` writes the book's pictures anew.
//! Read next: `crates/runtime/src/admin/dashboard/main.js`; `dashboard.rs` beside this folder, which needs no browser.

use super::browser::{Browser, ENTER, TAB};
use crate::cluster::{Cluster, Folder, GUESTS, Process, TOKEN, config, free_address, usher};
use crate::page::{cluster, is_up, state, until, until_up};
use crate::secrets;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use usher_proto::ServerKind;

/// A picture of the book is smaller.
const PICTURE_BYTES_MAX: usize = 200_000;
/// Players, and how many come in a second.
const CROWD: (u64, u64) = (240, 60);
/// Those of the pictures.
const LARGE_CROWD: (u64, u64) = (1_200, 100);
/// Hands that take a while, and people who come again.
const MIX: &str = "[[kinds]]\nshare = 4\nplay = \"gomoku\"\nthink_ms = [300, 900]\n\
    [[kinds]]\nshare = 1\nplay = \"gomoku\"\nthink_ms = [50, 150]\nhands = [1, 2]\nafter = { leave = 1 }\n\
    back_after_s = [1, 3]\n";

/// Logins, halls and room servers, two each. Two fifths of the crowd are redirected, twice; either room server has seats
/// for all.
fn two_of_each((players, rate): (u64, u64)) -> Cluster {
    let limits =
        |per_second: u64| format!("[limits]\nserve_max = 400\nserve_per_second_max = {per_second}\n");
    let (first, second) = (limits(rate * 3 / 5), limits(rate * 2));
    let [login_1, login_2] = [&first, &second].map(|limits| format!("{limits}{GUESTS}"));
    let rooms = format!(
        "[limits]\nserve_max = {}\n[room]\nnext_hand_delay_ms = 200\n[[room.rooms]]\nname = \"Gomoku\"\n\
         game = \"gomoku\"\ncount = 48\ncapacity = {}\n",
        players * 2,
        players / 24
    );
    Cluster::start(&[
        (ServerKind::Manager, "manager", "[manager]\nhalls_order = \"name\"\n"),
        (ServerKind::Room, "room-1", &rooms),
        (ServerKind::Room, "room-2", &rooms),
        (ServerKind::Hall, "hall-1", &first),
        (ServerKind::Hall, "hall-2", &second),
        (ServerKind::Login, "login-1", &login_1),
        (ServerKind::Login, "login-2", &login_2),
    ])
}

/// Players, gone with their test.
struct Crowd(Child);

impl Crowd {
    fn start(cluster: &Cluster, (players, rate): (u64, u64)) -> Self {
        let mix = cluster.folder.write("mix.toml", MIX);
        let mut command = usher();
        command.args(["client-sim", "--quiet", "--die-with-parent", "--seconds", "600"]);
        command.args(["--players", &players.to_string(), "--rate", &rate.to_string(), "--mix"]).arg(mix);
        command.args(["--login", cluster.address("login-1")]);
        command.args(["--login-key", &secrets::login_key().public().to_string()]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.0.kill(); // they may have ended already
        let _ = self.0.wait();
    }
}

fn open(admin: SocketAddr) -> Browser {
    let browser = Browser::open(&format!("http://{admin}/"));
    browser.until("document.documentElement.dataset.unixMs");
    browser
}

/// All numbers on the page, taken in one moment.
const SHOWN: &str = "
    const texts = (root, key) => Object.fromEntries(
        [...root.querySelectorAll(`[data-${key}]`)].map((place) => [place.dataset[key], place.textContent]));
    const people = (row) => [...row.cells].map((cell) => cell.textContent);
    return {
        unix_ms: Number(document.documentElement.dataset.unixMs),
        figures: texts(document, 'figure'),
        servers: Object.fromEntries([...document.querySelectorAll('[data-server]')].map(
            (row) => [row.dataset.server, texts(row, 'field')])),
        flows: [...document.querySelectorAll('#flows tr')].map(people),
        rooms: [...document.querySelectorAll('#rooms-table tr')].map(people),
    }";

/// A number as the page writes it.
fn read(text: &Value) -> Option<u64> {
    text.as_str()?.replace(',', "").parse().ok()
}

const FIGURES: [&str; 17] = [
    "players_online",
    "players_in_rooms",
    "reservations_outstanding",
    "redirects_login",
    "redirects_hall",
    "redirects_room",
    "redirects_unpaired",
    "redirects_nobody",
    "evictions",
    "revocations",
    "claims_denied",
    "claims_superseded",
    "claims_full",
    "leases_ended",
    "registrations_denied",
    "unexpected",
    "time_jumps",
];

/// Holds every number of the page against what `/api/cluster` said of the same moment.
fn compare(shown: &Value, view: &Value) {
    for name in FIGURES {
        assert_eq!(read(&shown["figures"][name]), view[name].as_u64(), "{name}: {shown:#}");
    }
    let all = |name: &str| view[name].as_array().unwrap();
    let servers: Vec<_> = all("servers").iter().filter(|server| server["kind"] != "manager").collect();
    let up = servers.iter().filter(|server| server["state"] == "up").count() as u64;
    assert_eq!(read(&shown["figures"]["servers_all"]), Some(servers.len() as u64));
    assert_eq!(read(&shown["figures"]["servers_up"]), Some(up));
    for server in servers {
        let row = &shown["servers"][server["name"].as_str().unwrap()];
        for field in ["serving", "serve_max", "reserved", "connections"] {
            assert_eq!(read(&row[field]), server[field].as_u64(), "{field} in {row:#}");
        }
        assert_eq!((&row["state"], &row["address"]), (&server["state"], &server["address"]));
    }
    let number = |value: &Value| value.as_u64().unwrap();
    let rows = |name: &str, number_at: usize| -> BTreeSet<_> {
        let row = |row: &Value| {
            let texts: Vec<_> =
                row.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
            (texts[0].clone(), texts[1].clone(), read(&row[number_at]).unwrap())
        };
        shown[name].as_array().unwrap().iter().map(row).collect()
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let flow = |flow: &Value| (text(&flow["from"]), text(&flow["to"]), number(&flow["redirects"]));
    assert_eq!(rows("flows", 2), all("flows").iter().map(flow).collect());
    let room = |room: &Value| (text(&room["name"]), text(&room["server"]), number(&room["population"]));
    assert_eq!(rows("rooms", 2), all("rooms").iter().map(room).collect());
}

#[test]
#[ignore = "needs chromium: cargo xtask ci --only tools --only outside"]
fn the_numbers_shown_are_those_of_the_cluster_while_players_come() {
    let servers = two_of_each(CROWD);
    let manager = servers.admin("manager");
    let browser = open(manager);
    browser.eval("document.getElementById('rooms-details').open = true");
    let _crowd = Crowd::start(&servers, CROWD);
    let mut moments = BTreeSet::new();
    let mut online = BTreeSet::new();
    let last = until(
        "the page and the cluster agree at eight moments, while players come and when all are there",
        || {
            let (shown, view) = (browser.eval(SHOWN), cluster(manager)?);
            if shown["unix_ms"] != view["unix_ms"] || shown["rooms"].as_array()?.is_empty() {
                return None;
            }
            compare(&shown, &view);
            moments.insert(view["unix_ms"].as_u64()?);
            online.insert(view["players_online"].as_u64()?);
            (moments.len() >= 8 && online.len() >= 4 && view["players_online"].as_u64()? >= CROWD.0 * 9 / 10)
                .then_some(view)
        },
    );
    println!("{} moments, players online: {online:?}", moments.len());
    assert!(
        last["redirects_login"].as_u64() > Some(0) && last["redirects_hall"].as_u64() > Some(0),
        "{last:#}"
    );
    let said = "document.getElementById('redirects').textContent";
    browser.until(&format!("/login-1 sent \\d+ players to login-2/.test({said})"));
    browser.until("document.getElementById('announced').textContent.includes('redirected')");
    let chart = "document.querySelector('#players-chart [role=img]').ariaLabel";
    browser.until(&format!("/now [1-9]\\d+, at most [1-9]\\d+/.test({chart})"));
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Opens the question about a server with the keyboard.
fn ask_to_drain(browser: &Browser, server: &str) {
    browser.until(&format!("document.querySelector('[data-server={server}] button')"));
    browser.tab_to(&format!("document.activeElement.ariaLabel === 'Drain {server}'"), 60);
    browser.press(ENTER);
    browser.until("document.querySelector('dialog[open]')");
}

#[test]
#[ignore = "needs chromium: cargo xtask ci --only tools --only outside"]
fn a_server_is_drained_with_the_keyboard_alone() {
    let servers = two_of_each(CROWD);
    let manager = servers.admin("manager");
    let _crowd = Crowd::start(&servers, CROWD);
    until_nearly_in_rooms(manager, CROWD);
    let browser = open(manager);
    ask_to_drain(&browser, "room-1");
    assert_eq!(
        browser.eval("return document.activeElement.textContent"),
        "Cancel",
        "a slip of the finger does nothing"
    );
    for _ in 0..8 {
        browser.press(TAB);
        assert_eq!(browser.eval("return document.body.matches(':focus-within') ? document.activeElement.closest('dialog') !== null : true"), true);
    }
    browser.tab_to("document.activeElement.textContent === 'Cancel'", 8);
    browser.press(ENTER);
    browser.until("!document.querySelector('dialog[open]')");
    assert_eq!(
        browser.eval("return document.activeElement.ariaLabel"),
        "Drain room-1",
        "the focus comes back"
    );
    assert_eq!(state(manager, "room-1").as_deref(), Some("up"), "who cancels drains nobody");

    browser.press(ENTER);
    browser.tab_to("document.activeElement.textContent === 'Drain room-1'", 8);
    browser.press(ENTER);
    browser.until("!document.querySelector('dialog[open]')");
    until("the cluster says that it drains", || (state(manager, "room-1")? == "draining").then_some(()));
    browser.until("document.querySelector('[data-server=room-1]').dataset.state === 'draining'");
    assert_eq!(
        browser.eval("const button = document.querySelector('[data-server=room-1] button'); return [button.disabled, button.textContent]"),
        serde_json::json!([true, "Draining"])
    );
    browser.until("document.getElementById('happened').textContent.includes('room-1 is being drained')");
    assert_eq!(state(manager, "room-2").as_deref(), Some("up"));
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Nearly, as some come and go.
fn until_nearly_in_rooms(manager: SocketAddr, (players, _): (u64, u64)) {
    until("nearly all are in rooms", || {
        (cluster(manager)?["players_in_rooms"].as_u64()? >= players * 9 / 10).then_some(())
    });
}

#[test]
#[ignore = "needs chromium: cargo xtask ci --only tools --only outside"]
fn the_page_asks_for_the_token_when_the_manager_wants_it() {
    let servers = Cluster::managed("admin_token_file = \"admin.token\"\n");
    let manager = servers.admin("manager");
    let browser = open(manager);
    ask_to_drain(&browser, "hall");
    assert_eq!(
        browser.eval("return document.getElementById('drain-token-field').hidden"),
        true,
        "not before it is wanted"
    );
    browser.tab_to("document.activeElement.textContent === 'Drain hall'", 8);
    browser.press(ENTER);
    browser.until("document.activeElement.id === 'drain-token'");
    for (token, said) in [("seven times eight", "This is not the token."), (TOKEN, "")] {
        browser.eval("document.activeElement.select()");
        browser.type_text(token);
        assert_eq!(is_up(manager, "hall"), Some(true));
        browser.press(ENTER);
        browser.until(&format!("document.getElementById('drain-error').textContent === '{said}' || !document.querySelector('dialog[open]')"));
        assert_eq!(browser.eval("return Boolean(document.querySelector('dialog[open]'))"), !said.is_empty());
    }
    until("it drains", || (!is_up(manager, "hall")?).then_some(()));
    let kept =
        "return [document.cookie, Object.keys(localStorage).length, Object.keys(sessionStorage).length]";
    assert_eq!(browser.eval(kept), serde_json::json!(["", 0, 0]), "the token is in memory alone");
}

/// A page of somebody else.
fn somebody_elses_page() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::Builder::new()
        .spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4096]); // whatever it asks for
                let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
                let _ = stream.write_all(page.as_bytes());
            }
        })
        .unwrap();
    address
}

#[test]
#[ignore = "needs chromium: cargo xtask ci --only tools --only outside"]
fn a_page_of_another_origin_drains_nobody() {
    let servers = Cluster::one_of_each();
    let manager = servers.admin("manager");
    until_up(manager, "hall");
    let browser = Browser::open(&format!("http://{}/", somebody_elses_page()));
    let post = format!("fetch('http://{manager}/api/drain/hall', {{ method: 'POST', mode: 'no-cors' }})");
    browser.eval(&format!("return {post}.then(() => 'answered', (error) => String(error))"));
    let complaints = browser.complaints();
    let is_kept_from_it = |it: &String| it.contains("/api/drain/hall") && it.contains("NotSameOrigin");
    assert!(
        complaints.iter().any(is_kept_from_it),
        "it came there, and its answer stays there: {complaints:?}"
    );
    browser.eval(&format!(
        "const form = document.createElement('form'); form.method = 'post'; form.action = 'http://{manager}/api/drain/hall';
        document.body.append(form); form.submit()"
    ));
    browser.until("document.body.textContent.includes('ask as http://')");
    browser.go(&format!("http://{manager}/"));
    assert_eq!(is_up(manager, "hall"), Some(true));
    browser.eval(&format!("return {post}.then(() => 0)"));
    until("its own page may", || (!is_up(manager, "hall")?).then_some(()));
}

/// Contrast of every text with what is behind it, by WCAG 2's formula; those below what level AA asks, and whether there were many.
const FAINT: &str = "
    const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
    const light = (rgb) => rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
            if (a === 1) return rgb;
        }
        return [255, 255, 255];
    };
    const faint = [];
    let looked = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('.unseen, .skip, :disabled, script')) continue;
        looked += 1;
        const style = getComputedStyle(element);
        const colour = parse(element.closest('svg') ? style.fill : style.color).rgb;
        const [dark, bright] = [light(colour), light(behind(element))].sort((a, b) => a - b);
        const ratio = (bright + 0.05) / (dark + 0.05);
        if (ratio < 4.5) faint.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
    }
    return [faint, looked > 100]";

#[test]
#[ignore = "needs chromium: cargo xtask ci --only tools --only outside"]
fn it_can_be_read_on_a_phone_by_ear_and_in_the_dark() {
    let servers = Cluster::one_of_each();
    let browser = open(servers.admin("manager"));
    browser.eval("document.getElementById('rooms-details').open = true");
    browser.until("document.querySelector('#rooms-table tr')");
    ask_to_drain(&browser, "hall");
    for (width, scheme) in [(360, "light"), (360, "dark"), (768, "light"), (1280, "dark")] {
        browser.resize(width, 800);
        browser.prefer(scheme);
        browser.until(&format!(
            "innerWidth === {width} && matchMedia('(prefers-color-scheme: {scheme})').matches"
        ));
        let wide = browser.eval("return document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{wide} pixels at {width}");
        assert_eq!(browser.eval(FAINT), serde_json::json!([[], true]), "{width} {scheme}");
    }
    browser.press('\u{e00c}'); // Escape
    browser.until("!document.querySelector('dialog[open]')");

    let structure = browser.eval(
        "const levels = [...document.querySelectorAll('h1, h2, h3, h4')].filter((it) => !it.closest('dialog')).map((it) => Number(it.tagName[1]));
        const ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
        return { lang: document.documentElement.lang, h1: document.querySelectorAll('h1').length,
            skips: levels.some((level, at) => at && level > levels[at - 1] + 1), twice: ids.length - new Set(ids).size,
            mains: document.querySelectorAll('main').length }",
    );
    assert_eq!(
        structure,
        serde_json::json!({ "lang": "en", "h1": 1, "skips": false, "twice": 0, "mains": 1 })
    );
    for (selector, role, least) in [
        ("main button", "button", 3),
        (".meter", "meter", 4),
        ("svg[role=img]", "image", 3),
        (".scroll", "region", 1),
        ("main > section, .pair > section", "region", 4),
    ] {
        let told = browser.told(selector);
        assert!(told.len() >= least, "{selector}: {told:?}");
        for (its_role, name) in &told {
            let is_role = its_role == role || (its_role == "img" && role == "image");
            assert!(is_role && !name.is_empty(), "{selector}: {told:?}");
        }
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "each has its own name: {told:?}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
#[ignore = "needs chromium: cargo xtask ci --only tools --only outside"]
fn a_page_says_when_the_manager_is_lost_and_comes_back_by_itself() {
    let address = free_address();
    let folder = Folder::new();
    let config = config(ServerKind::Manager, "manager", "127.0.0.1:0", "", "");
    let config = config.replace("[cluster]", &format!("admin = \"{address}\"\n[cluster]"));
    let config = folder.write("manager.toml", &config);
    let mut manager = Process::start(ServerKind::Manager, &config);
    let browser = open(manager.ready.admin);
    browser.until("document.getElementById('connection-text').textContent === 'Live'");
    manager.kill();
    browser.until("document.getElementById('connection-text').textContent === 'Lost'");
    browser.until("!document.getElementById('banner').hidden");
    let _again = Process::start(ServerKind::Manager, &config);
    browser.until("document.getElementById('connection-text').textContent === 'Live'");
    browser.until("document.getElementById('banner').hidden");
}

#[test]
#[ignore = "needs chromium: cargo xtask ci --only tools --only outside"]
fn pictures_are_taken_under_load_and_during_a_drain() {
    let servers = two_of_each(LARGE_CROWD);
    let manager = servers.admin("manager");
    let browser = open(manager);
    let _crowd = Crowd::start(&servers, LARGE_CROWD);
    until_nearly_in_rooms(manager, LARGE_CROWD);
    browser.until("document.querySelectorAll('#redirects time').length >= 2");
    let (desk, phone) = ((1120, 1560), (360, 1500));
    for (name, scheme, (width, height)) in
        [("light", "light", desk), ("dark", "dark", desk), ("phone", "light", phone)]
    {
        show(&browser, scheme, width, height);
        take_picture(&browser, name);
    }
    show(&browser, "light", desk.0, desk.1);
    let post = "return fetch('/api/drain/room-1', { method: 'POST' }).then((answer) => answer.status)";
    assert_eq!(browser.eval(post), 200);
    browser.until("document.querySelector('[data-server=room-1]').dataset.state === 'draining'");
    browser
        .until("/room-1 sent \\d+ players to room-2/.test(document.getElementById('redirects').textContent)");
    take_picture(&browser, "drain");
}

/// Waits until the charts are drawn in their new size.
fn show(browser: &Browser, scheme: &str, width: u32, height: u32) {
    browser.prefer(scheme);
    browser.resize(width, height);
    let drawn = "document.querySelector('#players-chart .plot')";
    browser
        .until(&format!("innerWidth === {width} && {drawn}.viewBox.baseVal.width === {drawn}.clientWidth"));
}

/// For the book, if that is wanted.
fn take_picture(browser: &Browser, name: &str) {
    let picture = browser.picture();
    assert!(
        picture.starts_with(b"\x89PNG") && picture.len() < PICTURE_BYTES_MAX,
        "{name}: {} bytes",
        picture.len()
    );
    if std::env::var("USHER_WRITE_SCREENSHOTS").as_deref() == Ok("1") {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("dashboard-{name}.png")), picture).unwrap();
    }
}
