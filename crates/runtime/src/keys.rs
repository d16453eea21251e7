//! The keys a server starts with: loaded, and made first where the config allows it.
//!
//! Why: a cluster on one machine starts without a word about keys; on several, the same files come from `usher keygen`.
//! Owns: which files a role needs, and who makes them. Does not own their form (`usher_secure`).
//! Invariants: an existing file is never overwritten; of several servers that start at once one makes a file and the
//! others read it. Without `cluster.create_key` a missing file is an error that names it.
//! Read next: [`crate::server`], `deploy/local`.

use crate::config::{ChannelKind, Common};
use crate::door::Lock;
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use usher_proto::first_frame::Role;
use usher_secure::{KeyFileError, LinkKey, LinkSecret, LoginKey, TicketKeys};

/// What the manager holds, beside the ticket keys, when a cluster's keys are made where it runs.
pub const LINK_SECRET_FILE: &str = "link.secret";

/// What servers with gateways before them hold, and where the keys of those are made.
pub const INNER_SECRET_FILE: &str = "inner.secret";

/// What hosts of workers hold, and where the keys of room servers are made.
pub const WORKERS_SECRET_FILE: &str = "workers.secret";

/// What the config calls the file of a link's key, or of the secret of all links.
const LINK_FILE: &str = "cluster.link_file";

/// What its links and its listener prove themselves by.
pub(crate) struct ServerKeys {
    pub(crate) lock: Lock,
    /// For the link to the manager; a manager has none.
    pub(crate) link: Option<LinkKey>,
}

/// `login_key_file`: a login server's.
pub(crate) fn load(common: &Common, role: Role, login_key_file: Option<&Path>) -> anyhow::Result<ServerKeys> {
    if common.sections.cluster.channel == ChannelKind::Plain {
        tracing::warn!(
            "the channel is plain: passwords' proofs, tickets and all that is said can be read on the way"
        );
        return Ok(ServerKeys { lock: Lock::Plain, link: None });
    }
    let link = if role == Role::Link { None } else { link(common)? };
    let lock = match role {
        Role::Link | Role::Trunk | Role::Workers => {
            let may_make = common.sections.cluster.create_key;
            Lock::Links(link_secret(may_make, &common.link_file, LINK_FILE)?)
        }
        Role::Hall | Role::Room => Lock::Session,
        Role::Login => {
            let path = login_key_file.context("invariant: a login server has a key file")?;
            Lock::Login(Arc::new(login_key(common, path)?))
        }
    };
    Ok(ServerKeys { lock, link })
}

/// What this server's link to the manager proves itself by; nothing on a plain channel.
pub fn link(common: &Common) -> anyhow::Result<Option<LinkKey>> {
    let is_plain = common.sections.cluster.channel == ChannelKind::Plain;
    if is_plain { Ok(None) } else { link_key(common).map(Some) }
}

/// The cluster's ticket keys.
pub(crate) fn tickets(common: &Common) -> anyhow::Result<TicketKeys> {
    let path = &common.key_file;
    made(common, path, || TicketKeys::generate().write_file(path))?;
    TicketKeys::load(path).context("cluster.key_file")
}

/// Where a login key's public half is written: what clients are told.
pub fn public_file(login_key_file: &Path) -> PathBuf {
    login_key_file.with_extension("pub")
}

/// What a server's inner listener proves itself by.
pub(crate) fn inner(common: &Common) -> anyhow::Result<Lock> {
    let path = match &common.inner_secret_file {
        Some(path) if common.sections.cluster.channel == ChannelKind::Noise => path,
        _ => return Ok(Lock::Plain),
    };
    let may_make = common.sections.cluster.create_key;
    Ok(Lock::Links(link_secret(may_make, path, "inner.secret_file")?))
}

/// What a gateway's trunks prove themselves by; nothing on a plain channel. `field`: what the config calls the file.
pub fn trunk_key(common: &Common, path: &Path, field: &'static str) -> anyhow::Result<Option<LinkKey>> {
    if common.sections.cluster.channel == ChannelKind::Plain {
        return Ok(None);
    }
    make_from(common, path, INNER_SECRET_FILE, field)?;
    Ok(Some(LinkKey::load(path).context(field)?))
}

/// What lets room servers in where workers are.
pub fn workers(path: &Path, may_make: bool, field: &'static str) -> anyhow::Result<Lock> {
    Ok(Lock::Links(link_secret(may_make, path, field)?))
}

/// Makes what proves a room server where workers are, where the config allows it: from the secret beside it.
pub fn make_workers_key(common: &Common, path: &Path) -> anyhow::Result<()> {
    make_from(common, path, WORKERS_SECRET_FILE, WORKERS_SECRET_FILE)
}

/// Where the key is by which that server proves itself where workers are, if its config does not say.
pub fn workers_key_file(server: &str) -> String {
    format!("workers-{server}.key")
}

/// Where the key of that gateway's trunks is, if its config does not say.
pub fn trunk_key_file(gateway: &str) -> String {
    format!("inner-{gateway}.key")
}

/// Where the key of that server's link is, if its config does not say.
pub fn link_key_file(server: &str) -> String {
    format!("link-{server}.key")
}

fn login_key(common: &Common, path: &Path) -> anyhow::Result<LoginKey> {
    made(common, path, || LoginKey::generate().write_file(path))?;
    let key = LoginKey::load(path).context("login.key_file")?;
    let public = public_file(path);
    if common.sections.cluster.create_key && !public.exists() {
        fs::write(&public, format!("{}\n", key.public()))
            .with_context(|| format!("cannot write {}", public.display()))?;
    }
    tracing::info!(login_key = %key.public(), "clients are to know this key");
    Ok(key)
}

fn link_key(common: &Common) -> anyhow::Result<LinkKey> {
    make_from(common, &common.link_file, LINK_SECRET_FILE, LINK_FILE)?;
    LinkKey::load(&common.link_file).context(LINK_FILE)
}

/// Makes this server's key at `path` from the secret of that name beside it, where both may be made.
fn make_from(common: &Common, path: &Path, secret: &str, field: &'static str) -> anyhow::Result<()> {
    if !common.sections.cluster.create_key || path.exists() {
        return Ok(());
    }
    let secret = link_secret(true, &path.with_file_name(secret), field)?;
    made(common, path, || secret.key_of(&common.name.0).write_file(path))
}

fn link_secret(may_make: bool, path: &Path, field: &'static str) -> anyhow::Result<LinkSecret> {
    made_if(may_make, path, || LinkSecret::generate().write_file(path))?;
    LinkSecret::load(path).context(field)
}

/// Makes a file where the config allows it and nobody has yet.
fn made(common: &Common, path: &Path, make: impl FnOnce() -> Result<(), KeyFileError>) -> anyhow::Result<()> {
    made_if(common.sections.cluster.create_key, path, make)
}

fn made_if(
    may_make: bool,
    path: &Path,
    make: impl FnOnce() -> Result<(), KeyFileError>,
) -> anyhow::Result<()> {
    if !may_make || path.exists() {
        return Ok(());
    }
    match make() {
        Ok(()) => tracing::info!(path = %path.display(), "made a new key file"),
        Err(error) if path.exists() => tracing::debug!(%error, "another server was first to make it"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
