//! The report of a run as a page: what the JSON says stands in it, of several processes too.
//!
//! Read next: `usher_client_sim::page`, whose own tests look at its form.

use crate::cluster::{Cluster, usher};
use crate::secrets;
use serde_json::Value;
use std::fs;

#[test]
fn the_page_of_a_run_of_two_processes_says_what_its_json_says() {
    let cluster = Cluster::one_of_each();
    let (json, html) = (cluster.folder.0.join("run.json"), cluster.folder.0.join("run.html"));
    let mut command = usher();
    command.args(["client-sim", "--players", "12", "--rate", "6", "--processes", "2", "--seconds", "1"]);
    command.args(["--seed", "41", "--login", cluster.address("login"), "--die-with-parent"]);
    command.args(["--login-key", &secrets::login_key().public().to_string()]);
    let ended = command.arg("--json").arg(&json).arg("--html").arg(&html).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let page = fs::read_to_string(&html).unwrap();

    let seconds = report["seconds"].as_array().unwrap();
    let sum = |of: &str| seconds.iter().map(|second| second[of].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("arrivals"), sum("seats")), (12, 12), "{seconds:?}");
    assert!(seconds.len() > 1, "6 a second come over two seconds: {seconds:?}");
    for said in [
        "<h1>Usher: 12 players, 12 seated, 0 failed</h1>",
        "Everybody was seated, nobody failed, and every chat came once and in order.",
        "Seed 41, begun by:",
        "client-sim --players 12 --rate 6 --processes 2",
        "Over {seconds} seconds. arrivals: 12",
        "{received} of {expected} delivered, 0 twice, 0 out of order",
    ] {
        let said = said.replace("{seconds}", &seconds.len().to_string());
        let said = said.replace("{received}", &report["delivered"]["received"].to_string());
        let said = said.replace("{expected}", &report["delivered"]["expected"].to_string());
        assert!(page.contains(&said), "no {said} in\n{page}");
    }
    for (name, step) in report["steps"].as_object().unwrap() {
        let row = format!("<tr><th scope=\"row\">{name}</th><td>{}</td>", step["count"]);
        assert!(page.contains(&row), "no {row} in\n{page}");
    }
    assert_eq!(page.matches("<svg ").count(), 2);
}
