//! A browser: Chromium without a window, told what to do through chromedriver in the protocol that W3C gives drivers.
//!
//! Owns: the driver, the session, a profile of its own. Invariants: all of them are gone with their test; the browser asks
//! nobody outside this machine.
//! Limits: a command has [`PATIENCE`].
//! Read next: `dashboard.rs`.

use crate::cluster::Folder;
use crate::page::{PATIENCE, until};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

/// Keys that have no letter.
pub(super) const TAB: char = '\u{e004}';
pub(super) const ENTER: char = '\u{e007}';

const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// One window with one page.
pub(super) struct Browser {
    driver: Child,
    session: String,
    /// Its profile.
    _folder: Folder,
}

impl Browser {
    /// Opens the page.
    pub(super) fn open(url: &str) -> Self {
        let folder = Folder::new();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there: see cargo xtask ci --only tools");
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (sender, ports) = channel();
        let tell_port = move || {
            let ports = lines.filter_map(|line| {
                line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
            });
            ports.for_each(|port: u16| sender.send(port).unwrap_or_default()); // nobody may listen any more
        };
        std::thread::Builder::new().spawn(tell_port).unwrap();
        let Ok(port) = ports.recv_timeout(PATIENCE) else {
            let _ = driver.kill(); // it may have ended by itself
            panic!("chromedriver did not start: {}", driver.wait().unwrap());
        };
        let profile = format!("--user-data-dir={}", folder.0.join("profile").display());
        let arguments: Vec<_> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let base = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { driver, session: base.clone(), _folder: folder };
        let begun = browser.command("POST", "", &wanted);
        browser.session = format!("{base}/{}", begun["sessionId"].as_str().expect("a session"));
        browser.go(url);
        browser
    }

    /// What the driver answers; anything but success ends the test.
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let answer = match method {
            "POST" => agent.post(&url).content_type("application/json").send(body.to_string()),
            "DELETE" => agent.delete(&url).call(),
            _ => agent.get(&url).call(),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}: {text}");
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        answer["value"].take()
    }

    pub(super) fn go(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// What the body of a function returns in the page, or the promise it returns.
    pub(super) fn eval(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true in the page.
    pub(super) fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, || (self.eval(&script) == true).then_some(()));
    }

    /// Presses a key and lets it go.
    pub(super) fn press(&self, key: char) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.command(
            "POST",
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] }),
        );
    }

    pub(super) fn type_text(&self, text: &str) {
        text.chars().for_each(|letter| self.press(letter));
    }

    /// Presses Tab until an expression is true, at most so often.
    pub(super) fn tab_to(&self, expression: &str, presses_max: usize) {
        let script = format!("return Boolean({expression})");
        let is_there = (0..presses_max).any(|_| {
            self.press(TAB);
            self.eval(&script) == true
        });
        let at = self.eval("return document.activeElement.outerHTML");
        assert!(is_there, "Tab did not lead to `{expression}` but to {at}");
    }

    /// A page so wide and high.
    pub(super) fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What somebody has set in his system: `light` or `dark`.
    pub(super) fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    fn devtools(&self, method: &str, parameters: &Value) {
        self.command("POST", "/goog/cdp/execute", &json!({ "cmd": method, "params": parameters }));
    }

    /// What it has to say of the pages since it was asked last: warnings and errors.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        let is_bad = |entry: &&Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        log.as_array().unwrap().iter().filter(is_bad).map(|entry| entry["message"].to_string()).collect()
    }

    /// What is in the window, as PNG.
    pub(super) fn picture(&self) -> Vec<u8> {
        let text = self.command("GET", "/screenshot", &Value::Null);
        Base64::decode_vec(text.as_str().unwrap()).unwrap()
    }

    /// The roles and names that assistive technology is told of everything a selector finds.
    pub(super) fn told(&self, selector: &str) -> Vec<(String, String)> {
        let found = self.command("POST", "/elements", &json!({ "using": "css selector", "value": selector }));
        let ids = found.as_array().unwrap().iter().filter_map(|it| it.as_object()?.values().next()?.as_str());
        let told = |id: &str, what: &str| {
            let text = self.command("GET", &format!("/element/{id}/computed{what}"), &Value::Null);
            text.as_str().unwrap_or_default().to_owned()
        };
        ids.map(|id| (told(id, "role"), told(id, "label"))).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call(); // ends the browser, which may be gone
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
