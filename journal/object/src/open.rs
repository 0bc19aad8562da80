//! Opening a journal: which one it is, and whether the store can be trusted with it.

use bytes::Bytes;
use futures::future::join_all;
use tidemill_journal::JournalError;
use tidemill_model::JournalIdentity;

use crate::config::{Opening, Settings, invalid};
use crate::keys;
use crate::objects::JournalObject;
use crate::store::{Backoff, Created, Store};

/// Attempts of the self-test at the same time: a store that looks first and writes then is caught only by chance, so many.
const RACERS: u8 = 8;

/// Opens the journal that is there, or makes one where nothing is and the settings let it.
///
/// # Errors
/// [`JournalError::WrongJournal`] if it is not the one that was meant; [`JournalError::Invalid`] for a place that holds
/// something else, a newer version, or a store without put-if-absent; [`JournalError::Corrupt`].
pub(crate) async fn open(store: &Store, settings: &Settings) -> Result<JournalObject, JournalError> {
    if let Some(found) = store.get(keys::JOURNAL).await? {
        return open_existing(store, settings, &found).await;
    }
    if settings.opening != Opening::Create {
        return Err(JournalError::NoJournal { place: store.place.clone() });
    }
    let there = store.list("", 1000).await?;
    if let Some(name) = there.iter().find(|name| !name.starts_with(keys::SELFTESTS)) {
        // Perhaps another process has made the journal just now.
        if let Some(found) = store.get(keys::JOURNAL).await? {
            return open_existing(store, settings, &found).await;
        }
        let (place, reason) = (&store.place, "but not the object \"journal\"");
        let remedy = "restore that object from a copy, or choose an empty prefix";
        return Err(invalid(format!("{place} holds {name:?}, {reason}; {remedy}")));
    }
    self_test(store).await?;
    let id = settings.expected.map_or_else(|| store.env.random(), |expected| expected.id);
    let identity = settings.expected.unwrap_or(JournalIdentity { id, generation: 1 });
    let (created, nonce) = (store.env.now(), store.env.random());
    let journal = JournalObject { identity, run_pages: settings.run_pages, created, nonce };
    match store.create_settled(keys::JOURNAL, journal.encode()).await? {
        None => Ok(journal),
        // Another process was first.
        Some(found) => identify(store, settings, &found),
    }
}

async fn open_existing(store: &Store, settings: &Settings, found: &[u8]) -> Result<JournalObject, JournalError> {
    let journal = identify(store, settings, found)?;
    if settings.opening != Opening::Read {
        self_test(store).await?;
    }
    Ok(journal)
}

fn identify(store: &Store, settings: &Settings, found: &[u8]) -> Result<JournalObject, JournalError> {
    let journal = JournalObject::decode(found, &format!("{}/{}", store.place, keys::JOURNAL))?;
    match settings.expected {
        Some(expected) if expected != journal.identity => Err(JournalError::WrongJournal {
            place: store.place.clone(),
            found: journal.identity,
            expected,
            remedy: "point the node at its own journal, or give it a new data directory".to_owned(),
        }),
        _ => Ok(journal),
    }
}

/// Of many attempts to create one name, at the same time and one after the others, one succeeds, and what it wrote is
/// there: everything rests on that.
async fn self_test(store: &Store) -> Result<(), JournalError> {
    let (started, mut backoff) = (store.env.monotonic(), Backoff::new());
    loop {
        let key = format!("{}/{:016x}", keys::SELFTESTS, store.env.random());
        let attempt = |content: u8| store.create(&key, Bytes::copy_from_slice(&[content]));
        let mut attempts = join_all((0..RACERS).map(attempt)).await;
        attempts.push(attempt(RACERS).await);
        let left = store.get(&key).await?;
        store.delete(vec![key]).await?;
        let yes: Vec<_> = (0..=RACERS).zip(&attempts).filter(|(_, made)| matches!(made, Created::Yes)).collect();
        let is_kept = yes.first().is_none_or(|(content, _)| left.is_some_and(|left| left[..] == [*content]));
        let yes = yes.len();
        if yes > 1 || !is_kept {
            let reason = "puts an object where one is already, although asked not to";
            let remedy = "use a store that honours If-None-Match on PUT";
            return Err(invalid(format!("{} {reason}: a journal there would lose records; {remedy}", store.place)));
        }
        let error = attempts.into_iter().find_map(|created| match created {
            Created::Unknown(error) => Some(error),
            _ => None,
        });
        match error {
            None if yes == 1 => return Ok(()),
            Some(error) if store.env.monotonic() - started > store.patience => return Err(store.unavailable(&error)),
            None if store.env.monotonic() - started > store.patience => {
                return Err(invalid(format!("{} answers that a new name is already taken", store.place)));
            }
            _ => store.wait(&mut backoff).await,
        }
    }
}
