//! Objects in a bucket of Google Cloud Storage or a container of Azure, through `object_store`.
//!
//! Must not know: retries, which `object_store` makes. Invariant: requests go through this process's own client, with the certificates and
//! the proxy of all others.

use std::sync::Arc;

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, RetryConfig};

use super::folder::Folder;
use super::{Address, ObjectError, Properties};

/// Tries of one request.
const TRIES: usize = 8;

/// Opens a bucket of Google Cloud Storage; nothing is asked yet. Without a key the usual places are looked at: the environment, the machine.
pub(super) fn google(address: &Address, properties: &Properties) -> Result<Folder, ObjectError> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&address.bucket)
        .with_retry(retries())
        .with_http_connector(OwnClient);
    if let Some(path) = properties.get("gcpKey") {
        builder = builder.with_service_account_path(path);
    }
    if let Some(endpoint) = properties.get("endpoint") {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    if properties.is_set("anonymous") {
        builder = builder.with_skip_signature(true);
    }
    Ok(below(
        builder.build().map_err(ObjectError::lasting)?,
        address,
    ))
}

/// Opens a container of Azure; nothing is asked yet. The container is `fileSystemName`, else what stands before the `@` of the address, or all
/// of it; the account is `accountName`, else what follows the `@` up to the first dot. Without a key the usual places are looked at: the
/// environment, a workload's or the machine's identity.
pub(super) fn azure(address: &Address, properties: &Properties) -> Result<Folder, ObjectError> {
    let (named, host) = address
        .bucket
        .split_once('@')
        .unwrap_or((&address.bucket, ""));
    let of_host = host.split('.').next().filter(|account| !account.is_empty());
    let container = properties.get("fileSystemName").unwrap_or(named);
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_retry(retries())
        .with_http_connector(OwnClient);
    if let Some(account) = properties.get("accountName").or(of_host) {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = properties.get("endpoint") {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    if let Some(host) = properties.get("authorityHost") {
        builder = builder.with_authority_host(host);
    }
    builder = match properties
        .get("authenticationType")
        .map(str::to_ascii_uppercase)
    {
        Some(kind) if kind == "ANONYMOUS_ACCESS" => builder.with_skip_signature(true),
        Some(kind) if kind == "AZURE_AD_WITH_PROXY" => {
            return Err(ObjectError::Lasting(
                "authenticationType AZURE_AD_WITH_PROXY is not supported, expected AZURE_AD; HTTPS_PROXY names the proxy"
                    .to_owned(),
            ));
        }
        _ => identified(builder, properties),
    };
    Ok(below(
        builder.build().map_err(ObjectError::lasting)?,
        address,
    ))
}

fn identified(
    mut builder: MicrosoftAzureBuilder,
    properties: &Properties,
) -> MicrosoftAzureBuilder {
    if let Some(key) = properties.get("accessKey") {
        builder = builder.with_access_key(key);
    }
    if let Some(token) = properties.get("sasToken") {
        let token = token.trim_start_matches('?');
        let pairs = reqwest::Url::parse(&format!("http://sas/?{token}"));
        let pairs = pairs.map(|url| url.query_pairs().into_owned().collect::<Vec<_>>());
        builder = builder.with_sas_authorization(pairs.unwrap_or_default());
    }
    if let Some(id) = properties
        .get("clientId")
        .or_else(|| properties.get("managedIdentityClientId"))
    {
        builder = builder.with_client_id(id);
    }
    if let Some(secret) = properties.get("clientSecret") {
        builder = builder.with_client_secret(secret);
    }
    if let Some(tenant) = properties.get("tenantId") {
        builder = builder.with_tenant_id(tenant);
    }
    builder
}

fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: TRIES,
        ..RetryConfig::default()
    }
}

fn below(store: impl ObjectStore, address: &Address) -> Folder {
    if address.folder.is_empty() {
        return Folder(Arc::new(store));
    }
    Folder(Arc::new(PrefixStore::new(store, address.folder.as_str())))
}

/// Gives `object_store` the client of this process.
#[derive(Debug)]
struct OwnClient;

impl HttpConnector for OwnClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = crate::web::client().map_err(|error| object_store::Error::Generic {
            store: "HTTP",
            source: Box::new(error),
        })?;
        Ok(HttpClient::new(Sender(client)))
    }
}

#[derive(Debug)]
struct Sender(reqwest::Client);

#[async_trait]
impl HttpService for Sender {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let request = http::Request::from_parts(parts, reqwest::Body::wrap(body));
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let response = self.0.execute(request).await.map_err(failed)?;
        let response: http::Response<reqwest::Body> = response.into();
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(failed))))
    }
}

/// What a request failed of, as far as it says whether to ask again. Addresses are left out: they may carry signatures.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_body() || error.is_request() {
        HttpErrorKind::Interrupted
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        Properties::with_prefix(pairs.iter().copied(), "")
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_at_once() -> Result<(), Box<dyn std::error::Error>> {
        let address = |text: &str| Address::parse(text).ok_or("no address");
        let of_azure = |text: &str, pairs: &[(&str, &str)]| -> Result<String, ObjectError> {
            let address = Address::parse(text)
                .ok_or_else(|| ObjectError::Lasting("no address".to_owned()))?;
            azure(&address, &properties(pairs)).map(|store| format!("{:?}", store.0))
        };
        let key = ("accessKey", "a2V5");
        let found = of_azure("segments@shop.dfs.core.windows.net/pinot", &[key])?;
        assert!(
            found.contains("segments") && found.contains("shop"),
            "{found}"
        );
        let found = of_azure(
            "any/pinot",
            &[key, ("accountName", "shop"), ("fileSystemName", "fs")],
        )?;
        assert!(found.contains("fs") && !found.contains("any"), "{found}");
        let missing = of_azure("any/pinot", &[key])
            .err()
            .ok_or("no account, no error")?;
        assert!(missing.to_string().contains("Account"), "{missing}");
        let proxied = [key, ("authenticationType", "azure_ad_with_proxy")];
        assert!(of_azure("fs@shop", &proxied).is_err());
        let anonymous = properties(&[("anonymous", "true")]);
        assert!(google(&address("bucket/folder")?, &anonymous).is_ok());
        let unreadable = properties(&[("gcpKey", "/there/is/no/such.json")]);
        assert!(google(&address("bucket")?, &unreadable).is_err());
        Ok(())
    }
}
