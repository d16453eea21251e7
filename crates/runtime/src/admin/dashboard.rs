//! The dashboard: one page with its style and its scripts, as they lie in `dashboard/`.
//!
//! Why: an operator sees the cluster with nothing but a browser.
//! Owns: the files, and what browsers are told about every answer of the admin port.
//! Invariants: nothing is built and nothing comes from another host. The page may run its own scripts and nothing else, talk to
//! this port alone and be framed by nobody; no string becomes markup (`require-trusted-types-for`).
//! Read next: `dashboard/main.js`.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, type, text.
const FILES: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("dashboard/index.html")),
    ("/dashboard/dashboard.css", CSS, include_str!("dashboard/dashboard.css")),
    ("/dashboard/icon.svg", SVG, include_str!("dashboard/icon.svg")),
    ("/dashboard/main.js", JS, include_str!("dashboard/main.js")),
    ("/dashboard/shown.js", JS, include_str!("dashboard/shown.js")),
    ("/dashboard/charts.js", JS, include_str!("dashboard/charts.js")),
    ("/dashboard/servers.js", JS, include_str!("dashboard/servers.js")),
    ("/dashboard/rooms.js", JS, include_str!("dashboard/rooms.js")),
    ("/dashboard/happenings.js", JS, include_str!("dashboard/happenings.js")),
    ("/dashboard/drain.js", JS, include_str!("dashboard/drain.js")),
];

/// Said with every answer.
const SHIELD: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// The page and its files.
pub(super) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |pages, &(path, kind, text)| {
        pages.route(path, get(async move || ([(CONTENT_TYPE, kind)], text)))
    })
}

/// Tells browsers what they may do with an answer.
pub(super) async fn shield(mut answer: Response) -> Response {
    for (name, value) in SHIELD {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_file_names_is_served() {
        let after = |text: &'static str, before: &'static str| {
            text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(String::from)
        };
        for (path, _, text) in FILES {
            let files = after(text, "href=\"/")
                .chain(after(text, "src=\"/"))
                .map(|name| format!("/{name}"))
                .chain(after(text, "from \"./").map(|name| format!("/dashboard/{name}")));
            for name in files {
                assert!(FILES.iter().any(|(served, ..)| *served == name), "{path} names {name}");
            }
        }
        let page = FILES[0].2;
        assert!(page.contains("src=\"/dashboard/main.js\""), "the page has its script");
    }

    #[test]
    fn nothing_comes_from_another_host_and_no_string_becomes_markup() {
        for (path, _, text) in FILES {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for banned in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!text.contains(banned), "{path} has {banned}");
            }
        }
    }
}
