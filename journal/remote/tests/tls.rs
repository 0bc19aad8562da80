//! `grpcs`: the node must be vouched for.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{at, embedded, read_all, record};
use futures::FutureExt;
use tempfile::TempDir;
use tidemill_journal::{Env, ErrorKind, Journal, JournalError, SystemEnv, TopicConfig};
use tidemill_journal_remote::service::{Access, JournalService};
use tidemill_journal_remote::{RemoteJournal, RemoteSettings};
use tokio::sync::watch;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_used_over_tls_only_if_the_certificates_vouch_for_it() {
    let dir = TempDir::new().unwrap();
    let journal = embedded(dir.path(), 1 << 20);
    journal.create(TopicConfig::new("data", 1)).await.unwrap();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("grpcs://{}", incoming.local_addr().unwrap());
    let stop = watch::Sender::new(false);
    let service = JournalService::mount(journal.clone(), Access::Append, "test", stop.subscribe());
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(read("node.pem"), read("node.key")));
    let mut server = Server::builder().tls_config(tls).unwrap();
    let serve = async move { server.add_service(service).serve_with_incoming(incoming).await.unwrap() };
    SystemEnv::new().spawn("serve", serve.boxed());
    let settings = |ca: &str| RemoteSettings {
        ca_file: Some(file(ca)),
        call_wait: Duration::from_secs(2),
        ..RemoteSettings::new("test")
    };
    let client = RemoteJournal::open(&url, settings("ca.pem"), SystemEnv::new()).await.unwrap();
    client.append(&at(), vec![record(1, 100)]).await.unwrap();
    assert_eq!(read_all(&*client, &at()).await, read_all(&*journal, &at()).await);
    client.close().await;
    let refused = RemoteJournal::open(&url, settings("other-ca.pem"), SystemEnv::new()).await.map(drop).unwrap_err();
    assert!(matches!(&refused, JournalError::Unavailable { .. }), "{refused}");
    assert!(refused.to_string().contains("certificate"), "{refused}");
    for settings in [RemoteSettings::new("test"), settings("nothing.pem")] {
        let refused = RemoteJournal::open(&url, settings, SystemEnv::new()).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    }
    let plain = url.replace("grpcs", "grpc");
    assert!(RemoteJournal::open(&plain, settings("ca.pem"), SystemEnv::new()).await.is_err());
}
