//! `usher plan` from its command line: an answer, a trial of it, pictures, and errors for nonsense.

use crate::cluster::{Folder, usher};
use serde_json::Value;
use std::fs;

#[test]
fn the_published_sum_is_answered_without_a_trial() {
    let out = usher().args(["plan", "--players", "1500000", "--no-trial", "--json", "-"]).output().unwrap();
    assert!(out.status.success());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let count = |kind: &str| {
        let servers = report["servers"].as_array().unwrap();
        servers.iter().find(|it| it["kind"] == kind).and_then(|it| it["count"].as_u64()).unwrap()
    };
    assert_eq!((count("manager"), count("room")), (1, 76), "75 and one to spare");
    assert!(count("login") > 1 && count("hall") > 1);
    assert_eq!(report["holds"], Value::Null, "it was not tried");
    for constant in report["constants"].as_array().unwrap() {
        assert!(constant["value"].as_f64().unwrap() > 0.0, "{constant}");
        assert!(
            !constant["source"].as_str().unwrap().is_empty() && constant["date"].is_string(),
            "{constant}"
        );
    }
}

#[test]
fn a_plan_is_tried_and_drawn() {
    let folder = Folder::new();
    let (charts, file) = (folder.0.join("charts"), folder.0.join("plan.json"));
    let mut command = usher();
    command.args(["plan", "--players", "2000", "--room-capacity", "500", "--trial-players", "250"]);
    command.args(["--ramp-minutes", "3", "--storm-minutes", "1", "--spike", "3"]);
    let out = command.arg("--svg").arg(&charts).arg("--json").arg(&file).output().unwrap();
    let (table, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    println!("{table}{errors}");
    assert!(out.status.success() && table.contains("The plan holds."));
    let report: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((&report["holds"], &report["trials"]["divided_by"]), (&true.into(), &8.into()));
    for (at, evening) in ["ramp", "storm", "spike"].into_iter().enumerate() {
        let seen = &report["trials"]["evenings"][at];
        assert_eq!((&seen["evening"], &seen["failed"]), (&evening.into(), &0.into()));
        assert_eq!(seen["seated"], seen["players"]);
        let drawn = fs::read_to_string(charts.join(format!("{evening}.svg"))).unwrap();
        let lines = drawn.matches("<polyline").count() as u64;
        let fronts = report["servers"].as_array().unwrap().iter().filter(|it| it["kind"] != "manager");
        assert_eq!(lines, fronts.map(|it| it["count"].as_u64().unwrap()).sum::<u64>(), "a line a server");
    }
}

#[test]
fn too_few_servers_do_not_hold() {
    for (few, why) in [("--logins", "a login for all of the storm"), ("--rooms", "seats for half of them")] {
        let count = if few == "--rooms" { "2" } else { "1" };
        let mut command = usher();
        command.args(["plan", "--players", "60000", "--room-capacity", "15000", "--trial-players", "300"]);
        command.args(["--ramp-minutes", "4", "--storm-minutes", "1", "--spike", "40", few, count]);
        let out = command.output().unwrap();
        let table = String::from_utf8_lossy(&out.stdout);
        println!("{table}");
        assert_eq!(out.status.code(), Some(1), "{why}");
        assert!(table.contains("The plan does NOT hold."), "{why}");
    }
}

#[test]
fn nonsense_is_refused_with_its_flag() {
    for (flag, value) in [
        ("--players", "0"),
        ("--players", "many"),
        ("--room-capacity", "1"),
        ("--ramp-minutes", "0"),
        ("--storm-minutes", "-5"),
        ("--spike", "0"),
        ("--trial-players", "3"),
    ] {
        let mut command = usher();
        command.arg("plan");
        if flag != "--players" {
            command.args(["--players", "1000"]);
        }
        let out = command.arg(format!("{flag}={value}")).output().unwrap();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{flag}={value}: {errors}");
        assert!(errors.contains(flag), "{errors}");
    }
    assert_eq!(usher().arg("plan").output().unwrap().status.code(), Some(2), "how many players?");
}
