//! Objects in a bucket of S3, or of what speaks like it.
//!
//! Must not know: retries. Invariants: every request is signed anew; a body is checked by its hash on the other side.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use reqwest::{Method, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::credentials::{Credentials, now, variable};
use super::sign::{Request, Scope, encoded, hex, query, sha256, signed};
use super::{Address, Listed, ObjectError, Objects, Properties, xml};

const PIECE: usize = 1 << 20;
/// What S3 takes in one request; segments are far smaller.
const MOST_BYTES: u64 = 5 << 30;

/// The bucket.
#[derive(Debug)]
pub(super) struct S3 {
    address: Address,
    region: String,
    /// `https://host`, without a path.
    origin: String,
    host: String,
    /// Before the key, `/` or `/bucket/`.
    path: String,
    /// Headers of every write.
    of_writes: Vec<(&'static str, String)>,
    credentials: Credentials,
    http: reqwest::Client,
}

/// What goes out.
enum Body<'a> {
    Nothing,
    Bytes(Bytes),
    File(&'a Path, u64),
}

impl S3 {
    /// Opens a bucket; nothing is asked yet.
    pub(super) fn open(address: Address, properties: &Properties) -> Result<Self, ObjectError> {
        let region = properties
            .get("region")
            .map(str::to_owned)
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = properties
            .get("endpoint")
            .map(str::to_owned)
            .or_else(|| variable("AWS_ENDPOINT_URL_S3"))
            .or_else(|| variable("AWS_ENDPOINT_URL"));
        let (origin, path) = match endpoint {
            Some(endpoint) => {
                let endpoint = endpoint.trim_end_matches('/');
                let whole = if endpoint.contains("://") {
                    endpoint.to_owned()
                } else {
                    format!("https://{endpoint}")
                };
                (whole, format!("/{}/", address.bucket))
            }
            // A name with dots does not fit the certificate.
            None if address.bucket.contains('.') => (
                format!("https://s3.{region}.amazonaws.com"),
                format!("/{}/", address.bucket),
            ),
            None => (
                format!("https://{}.s3.{region}.amazonaws.com", address.bucket),
                "/".to_owned(),
            ),
        };
        let url = reqwest::Url::parse(&origin)
            .map_err(|error| ObjectError::Lasting(format!("endpoint `{origin}`: {error}")))?;
        let host = url.host_str().unwrap_or_default();
        let host = url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let http = crate::web::client().map_err(ObjectError::lasting)?;
        Ok(Self {
            credentials: Credentials::new(properties, &region, http.clone())?,
            of_writes: of_writes(properties),
            address,
            region,
            origin,
            host,
            path,
            http,
        })
    }

    async fn send(
        &self,
        method: Method,
        key: &str,
        pairs: &[(&str, String)],
        headers: Vec<(&'static str, String)>,
        body: Body<'_>,
    ) -> Result<Response, ObjectError> {
        let path = format!("{}{}", self.path, encoded(key, true));
        let hash = match &body {
            Body::Nothing => sha256(b""),
            Body::Bytes(bytes) => sha256(bytes),
            Body::File(file, _) => hash_of(file).await?,
        };
        let request = Request {
            method: method.as_str(),
            host: &self.host,
            path: &path,
            query: pairs,
            headers,
            body_hash: &hash,
        };
        let headers = match self.credentials.identity().await? {
            Some(identity) => {
                let at = now();
                let scope = Scope {
                    region: &self.region,
                    service: "s3",
                    at: &at,
                };
                signed(&request, &identity, &scope)
            }
            None => request.headers,
        };
        let mut url = format!("{}{path}", self.origin);
        if !pairs.is_empty() {
            url.push('?');
            url.push_str(&query(pairs));
        }
        let mut ask = self.http.request(method, url);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask = match body {
            Body::Nothing => ask,
            Body::Bytes(bytes) => ask.body(bytes),
            Body::File(file, size) => ask
                .header("content-length", size)
                .body(reqwest::Body::wrap_stream(pieces(file).await?)),
        };
        let response = ask
            .send()
            .await
            .map_err(|error| ObjectError::Passing(causes(&error)))?;
        answered(response).await
    }

    async fn page(
        &self,
        prefix: &str,
        next: Option<&String>,
    ) -> Result<(Vec<Listed>, Option<String>), ObjectError> {
        let mut pairs = vec![("list-type", "2".to_owned()), ("prefix", prefix.to_owned())];
        if let Some(token) = next {
            pairs.push(("continuation-token", token.clone()));
        }
        let response = self
            .send(Method::GET, "", &pairs, Vec::new(), Body::Nothing)
            .await?;
        let text = response.text().await.map_err(ObjectError::passing)?;
        let listed = xml::all(&text, "Contents").into_iter().filter_map(|entry| {
            Some(Listed {
                key: self.address.within(&xml::first(entry, "Key")?)?.to_owned(),
                size: xml::first(entry, "Size")?.parse().ok()?,
            })
        });
        let next = xml::first(&text, "NextContinuationToken").filter(|token| !token.is_empty());
        Ok((listed.collect(), next))
    }
}

fn of_writes(properties: &Properties) -> Vec<(&'static str, String)> {
    let named = |name: &str| properties.get(name).map(str::to_owned);
    let mut headers = Vec::new();
    if let Some(kind) = named("serverSideEncryption") {
        let kind = if kind.eq_ignore_ascii_case("AWS:KMS") {
            "aws:kms".to_owned()
        } else {
            kind
        };
        headers.push(("x-amz-server-side-encryption", kind));
    }
    if let Some(id) = named("ssekmsKeyId") {
        headers.push(("x-amz-server-side-encryption-aws-kms-key-id", id));
    }
    if let Some(context) = named("ssekmsEncryptionContext") {
        headers.push(("x-amz-server-side-encryption-context", context));
    }
    if let Some(class) = named("storageClass") {
        headers.push(("x-amz-storage-class", class));
    }
    if properties
        .get("disableAcl")
        .is_some_and(|value| value.eq_ignore_ascii_case("false"))
    {
        headers.push(("x-amz-acl", "bucket-owner-full-control".to_owned()));
    }
    headers
}

/// An error with everything behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn answered(response: Response) -> Result<Response, ObjectError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status == StatusCode::NOT_FOUND {
        let text = response.text().await.unwrap_or_default();
        return Err(match xml::first(&text, "Code").as_deref() {
            Some("NoSuchBucket") => ObjectError::Lasting("there is no such bucket".to_owned()),
            _ => ObjectError::Missing,
        });
    }
    let text = response.text().await.unwrap_or_default();
    let part = |name| xml::first(&text, name).unwrap_or_default();
    let said = format!("{status} {} {}", part("Code"), part("Message"));
    let passing = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || text.contains("RequestTimeout")
        || text.contains("ExpiredToken");
    Err(if passing {
        ObjectError::Passing(said)
    } else {
        ObjectError::Lasting(said)
    })
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> ObjectError + '_ {
    |error| ObjectError::Lasting(format!("`{}`: {error}", path.display()))
}

async fn hash_of(path: &Path) -> Result<String, ObjectError> {
    let mut file = tokio::fs::File::open(path)
        .await
        .map_err(unreadable(path))?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece).await.map_err(unreadable(path))?;
        if length == 0 {
            return Ok(hex(context.finish().as_ref()));
        }
        context.update(piece.get(..length).unwrap_or_default());
    }
}

async fn pieces(
    path: &Path,
) -> Result<impl futures::Stream<Item = std::io::Result<Bytes>> + Send + use<>, ObjectError> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(unreadable(path))?;
    Ok(futures::stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece).await?;
        piece.truncate(length);
        Ok((length > 0).then(|| (Bytes::from(piece), file)))
    }))
}

#[async_trait]
impl Objects for S3 {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let headers = self.of_writes.clone();
        let key = self.address.key(key);
        self.send(Method::PUT, &key, &[], headers, Body::Bytes(bytes))
            .await
            .map(drop)
    }

    async fn put_file(&self, key: &str, path: &Path) -> Result<(), ObjectError> {
        let size = tokio::fs::metadata(path)
            .await
            .map_err(unreadable(path))?
            .len();
        if size > MOST_BYTES {
            return Err(ObjectError::Lasting(format!(
                "`{}` has {size} bytes, expected {MOST_BYTES} at most",
                path.display()
            )));
        }
        let headers = self.of_writes.clone();
        let key = self.address.key(key);
        self.send(Method::PUT, &key, &[], headers, Body::File(path, size))
            .await
            .map(drop)
    }

    async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        let key = self.address.key(key);
        let found = self
            .send(Method::GET, &key, &[], Vec::new(), Body::Nothing)
            .await?;
        found
            .bytes()
            .await
            .map_err(|error| ObjectError::Passing(causes(&error)))
    }

    async fn get_to(&self, key: &str, path: &Path) -> Result<(), ObjectError> {
        let key = self.address.key(key);
        let found = self
            .send(Method::GET, &key, &[], Vec::new(), Body::Nothing)
            .await?;
        let mut file = tokio::fs::File::create(path)
            .await
            .map_err(unreadable(path))?;
        let mut pieces = found.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| ObjectError::Passing(causes(&error)))?;
            file.write_all(&piece).await.map_err(unreadable(path))?;
        }
        file.flush().await.map_err(unreadable(path))
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let key = self.address.key(key);
        self.send(Method::DELETE, &key, &[], Vec::new(), Body::Nothing)
            .await
            .map(drop)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        let from_key = self.address.key(from);
        let source = format!("/{}/{}", self.address.bucket, encoded(&from_key, true));
        let mut headers = self.of_writes.clone();
        headers.push(("x-amz-copy-source", source));
        let to_key = self.address.key(to);
        let copied = self
            .send(Method::PUT, &to_key, &[], headers, Body::Nothing)
            .await?;
        // A copy that fails on the way says so in an answer that began as a success.
        let text = copied.text().await.map_err(ObjectError::passing)?;
        if text.contains("<Error>") {
            let why = xml::first(&text, "Message").unwrap_or_default();
            return Err(ObjectError::Passing(format!("copy failed: {why}")));
        }
        self.delete(from).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, ObjectError> {
        let mut prefix = self.address.key(folder);
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        let (mut found, mut next) = self.page(&prefix, None).await?;
        while let Some(token) = next {
            let (more, after) = self.page(&prefix, Some(&token)).await?;
            found.extend(more);
            next = after;
        }
        Ok(found)
    }
}
