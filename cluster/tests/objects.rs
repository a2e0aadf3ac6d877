//! Every store answers the same: folders, and buckets on a server in this process that fails at every other request.
//!
//! Must not know: signatures beyond their presence. Invariant: what a store acknowledged is read back byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parking_lot::Mutex;

use cluster::objects::{Listed, ObjectError, Objects, Properties, open};

type Failure = Box<dyn std::error::Error>;

/// A bucket in memory that gives two keys a page.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Bytes>>,
    asked: AtomicU64,
    /// Of four requests one is refused, one is answered halfway.
    faulty: bool,
}

const PAGE: usize = 2;

fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    found.next_back().map(decoded)
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let hex: String = bytes.by_ref().take(2).map(char::from).collect();
        out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Bucket {
    fn list(&self, query: &str) -> String {
        let prefix = parameter(query, "prefix").unwrap_or_default();
        let after = parameter(query, "continuation-token").unwrap_or_default();
        let objects = self.objects.lock();
        let found: Vec<_> = objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && **key > after)
            .collect();
        let mut xml = "<ListBucketResult>".to_owned();
        for (key, bytes) in found.iter().take(PAGE) {
            let (key, size) = (key.replace('&', "&amp;"), bytes.len());
            xml.push_str(&format!(
                "<Contents><Key>{key}</Key><Size>{size}</Size></Contents>"
            ));
        }
        if let Some((key, _)) = found.get(PAGE - 1).filter(|_| found.len() > PAGE) {
            xml.push_str(&format!(
                "<NextContinuationToken>{key}</NextContinuationToken>"
            ));
        }
        xml + "</ListBucketResult>"
    }
}

async fn serve(State(bucket): State<Arc<Bucket>>, request: Request) -> Response {
    let number = bucket.asked.fetch_add(1, Ordering::Relaxed);
    let missing = (
        StatusCode::NOT_FOUND,
        "<Error><Code>NoSuchKey</Code></Error>",
    );
    if !request.headers().contains_key("authorization") {
        return (
            StatusCode::FORBIDDEN,
            "<Error><Code>AccessDenied</Code></Error>",
        )
            .into_response();
    }
    if bucket.faulty && number % 4 == 0 {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "<Error><Code>SlowDown</Code></Error>",
        )
            .into_response();
    }
    let path = decoded(request.uri().path());
    let Some(key) = path.strip_prefix("/bucket/").map(str::to_owned) else {
        return missing.into_response();
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let source = request.headers().get("x-amz-copy-source").cloned();
    match *request.method() {
        Method::PUT => {
            let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
            let mut bytes = body.unwrap_or_default();
            if let Some(source) = source {
                let source = decoded(source.to_str().unwrap_or_default());
                let from = source.strip_prefix("/bucket/").unwrap_or_default();
                match bucket.objects.lock().get(from) {
                    Some(found) => bytes = found.clone(),
                    None => return missing.into_response(),
                }
            }
            bucket.objects.lock().insert(key, bytes);
            StatusCode::OK.into_response()
        }
        Method::DELETE => {
            bucket.objects.lock().remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ if key.is_empty() => bucket.list(&query).into_response(),
        _ => match bucket.objects.lock().get(&key).cloned() {
            None => missing.into_response(),
            Some(bytes) if bucket.faulty && number % 4 == 1 => halfway(&bytes),
            Some(bytes) => bytes.into_response(),
        },
    }
}

/// An answer whose connection breaks.
fn halfway(bytes: &Bytes) -> Response {
    let half = bytes.slice(..bytes.len() / 2);
    let pieces = [Ok(half), Err(std::io::Error::other("cut"))];
    let body = Body::from_stream(futures::stream::iter(pieces));
    ([("content-length", bytes.len().to_string())], body).into_response()
}

/// Serves a bucket; answers its endpoint.
async fn served(state: &Arc<Bucket>) -> Result<String, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let app = axum::Router::new()
        .fallback(serve)
        .with_state(Arc::clone(state));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(endpoint)
}

async fn bucket(faulty: bool) -> Result<(Arc<dyn Objects>, Arc<Bucket>), Failure> {
    let state = Arc::new(Bucket {
        faulty,
        ..Bucket::default()
    });
    let endpoint = served(&state).await?;
    let pairs = [
        ("endpoint", endpoint.as_str()),
        ("accessKey", "a"),
        ("secretKey", "s"),
    ];
    let properties = Properties::with_prefix(pairs, "");
    Ok((open("s3://bucket/a folder/b", &properties)?, state))
}

/// What every store does.
async fn suite(store: &dyn Objects) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let file = folder.path().join("big");
    std::fs::write(&file, &big)?;
    store.put_file("t_OFFLINE/big", &file).await?;
    let back = folder.path().join("back");
    store.get_to("t_OFFLINE/big", &back).await?;
    assert_eq!(std::fs::read(&back)?, big);
    for name in ["t_OFFLINE/a name", "t_OFFLINE/c+d=e", "t_REALTIME/x", "u"] {
        let bytes = Bytes::from(name.to_owned());
        store.put(name, bytes.clone()).await?;
        assert_eq!(store.get(name).await?, bytes);
    }
    let keys = |listed: Vec<Listed>| {
        let mut keys: Vec<(String, u64)> = listed.into_iter().map(|o| (o.key, o.size)).collect();
        keys.sort();
        keys
    };
    let listed = keys(store.list("t_OFFLINE").await?);
    let wanted = [("a name", 16), ("big", 3_000_000), ("c+d=e", 15)];
    let wanted: Vec<(String, u64)> = wanted
        .map(|(name, size)| (format!("t_OFFLINE/{name}"), size))
        .into();
    assert_eq!(listed, wanted);
    assert_eq!(store.list("").await?.len(), 5);
    assert_eq!(store.list("t").await?.len(), 0);
    store.rename("u", "aside/u until 3").await?;
    assert!(matches!(store.get("u").await, Err(ObjectError::Missing)));
    assert_eq!(store.get("aside/u until 3").await?.as_ref(), b"u");
    let gone = store.rename("u", "aside/v").await;
    assert!(matches!(gone, Err(ObjectError::Missing)), "{gone:?}");
    store.delete("t_REALTIME/x").await?;
    assert_eq!(store.list("t_REALTIME").await?.len(), 0);
    let name = "ação/é & %25 ~";
    store.put(name, Bytes::from_static(b"x")).await?;
    let listed = store.list("ação").await?;
    assert_eq!(listed.iter().map(|o| &o.key).collect::<Vec<_>>(), [name]);
    store.delete(name).await?;
    assert_eq!(store.list("ação").await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_folder() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().display().to_string();
    suite(open(&path, &Properties::default())?.as_ref()).await
}

#[tokio::test]
async fn a_bucket() -> Result<(), Failure> {
    let (store, state) = bucket(false).await?;
    suite(store.as_ref()).await?;
    let inside = |key: &String| key.starts_with("a folder/b/");
    assert!(state.objects.lock().keys().all(inside));
    Ok(())
}

#[tokio::test]
async fn a_bucket_that_fails_every_other_time() -> Result<(), Failure> {
    let (store, state) = bucket(true).await?;
    suite(store.as_ref()).await?;
    assert!(state.asked.load(Ordering::Relaxed) > 25);
    Ok(())
}

#[tokio::test]
async fn refusals_are_said_at_once() -> Result<(), Failure> {
    let (_, state) = bucket(false).await?;
    let before = state.asked.load(Ordering::Relaxed);
    assert_eq!(before, 0, "opening asks nothing");
    let open_to_all = [("anonymousCredentialsProvider", "true")];
    let endpoint = served(&state).await?;
    let pairs = open_to_all
        .into_iter()
        .chain([("endpoint", endpoint.as_str())]);
    let store = open("s3://bucket", &Properties::with_prefix(pairs, ""))?;
    let refused = store.put("x", Bytes::new()).await;
    assert!(
        matches!(refused, Err(ObjectError::Lasting(_))),
        "{refused:?}"
    );
    assert_eq!(state.asked.load(Ordering::Relaxed), 1);
    Ok(())
}
