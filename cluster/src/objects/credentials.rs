//! Who asks AWS: from settings, the environment, a web identity, the container or the machine; and roles taken on.
//!
//! Must not know: buckets. Invariants: what expires is fetched anew before it does; secrets are never logged.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::sign::{Identity, Request, Scope, encoded, query, sha256, signed};
use super::{ObjectError, Properties, xml};

/// Fetched anew so long before they expire, and at the latest after this.
const LIFETIME: Duration = Duration::from_secs(600);
const ASK_WITHIN: Duration = Duration::from_secs(5);
const MACHINE: &str = "http://169.254.169.254";
const CONTAINER: &str = "http://169.254.170.2";

/// Where they come from.
#[derive(Debug, Clone)]
enum Source {
    Fixed(Identity),
    /// Role, and file of the token.
    WebIdentity(String, String),
    Container(String),
    Machine,
    Nobody,
}

/// A role that is taken on.
#[derive(Debug, Clone)]
struct Role {
    arn: String,
    session: String,
    external_id: Option<String>,
    seconds: String,
}

/// The credentials of a bucket.
#[derive(Debug)]
pub(super) struct Credentials {
    source: Source,
    role: Option<Role>,
    region: String,
    http: reqwest::Client,
    known: tokio::sync::Mutex<Option<(Instant, Identity)>>,
}

/// A variable of the environment that says something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Source {
    fn of(properties: &Properties) -> Self {
        let given = |access: Option<String>, secret: Option<String>, token: Option<String>| {
            Some(Self::Fixed(Identity {
                access_key: access?,
                secret_key: secret?,
                token,
            }))
        };
        let named = |name: &str| properties.get(name).map(str::to_owned);
        if properties.is_set("anonymousCredentialsProvider") {
            return Self::Nobody;
        }
        given(
            named("accessKey"),
            named("secretKey"),
            named("sessionToken"),
        )
        .or_else(|| {
            let [access, secret, token] = [
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",
            ]
            .map(variable);
            given(access, secret, token)
        })
        .or_else(|| {
            Some(Self::WebIdentity(
                variable("AWS_ROLE_ARN")?,
                variable("AWS_WEB_IDENTITY_TOKEN_FILE")?,
            ))
        })
        .or_else(|| {
            let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
            let whole = relative.map(|path| format!("{CONTAINER}{path}"));
            whole
                .or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
                .map(Self::Container)
        })
        .unwrap_or(Self::Machine)
    }
}

impl Credentials {
    pub(super) fn new(
        properties: &Properties,
        region: &str,
        http: reqwest::Client,
    ) -> Result<Self, ObjectError> {
        let named = |name: &str| properties.get(name).map(str::to_owned);
        let role = if properties.is_set("iamRoleBasedAccessEnabled") {
            let arn = named("roleArn").ok_or_else(|| {
                ObjectError::Lasting(
                    "`roleArn` is missing where iamRoleBasedAccessEnabled is true".to_owned(),
                )
            })?;
            Some(Role {
                arn,
                session: named("roleSessionName").unwrap_or_else(|| "touriga".to_owned()),
                external_id: named("externalId"),
                seconds: named("sessionDurationSeconds").unwrap_or_else(|| "900".to_owned()),
            })
        } else {
            None
        };
        Ok(Self {
            source: Source::of(properties),
            role,
            region: region.to_owned(),
            http,
            known: tokio::sync::Mutex::default(),
        })
    }

    /// Who asks now; nobody where the bucket is open to all.
    pub(super) async fn identity(&self) -> Result<Option<Identity>, ObjectError> {
        match (&self.source, &self.role) {
            (Source::Nobody, _) => return Ok(None),
            (Source::Fixed(identity), None) => return Ok(Some(identity.clone())),
            _ => {}
        }
        let mut known = self.known.lock().await;
        if let Some((at, identity)) = known.as_ref()
            && at.elapsed() < LIFETIME
        {
            return Ok(Some(identity.clone()));
        }
        let mut identity = self.fetched().await?;
        if let Some(role) = &self.role {
            identity = self.taken_on(role, &identity).await?;
        }
        *known = Some((Instant::now(), identity.clone()));
        Ok(Some(identity))
    }

    async fn fetched(&self) -> Result<Identity, ObjectError> {
        match &self.source {
            Source::Fixed(identity) => Ok(identity.clone()),
            Source::WebIdentity(role, file) => {
                let token = tokio::fs::read_to_string(file)
                    .await
                    .map_err(|error| ObjectError::Lasting(format!("cannot read `{file}`: {error}")))?;
                let pairs = [
                    ("Action", "AssumeRoleWithWebIdentity".to_owned()),
                    ("Version", "2011-06-15".to_owned()),
                    ("RoleArn", role.clone()),
                    ("RoleSessionName", "touriga".to_owned()),
                    ("WebIdentityToken", token.trim().to_owned()),
                ];
                let url = format!("https://{}/?{}", self.sts(), query(&pairs));
                of_xml(&text(self.http.post(url)).await?)
            }
            Source::Container(url) => {
                let mut request = self.http.get(url);
                let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
                let token = match file {
                    Some(file) => tokio::fs::read_to_string(file).await.ok(),
                    None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                };
                if let Some(token) = token {
                    request = request.header("authorization", token.trim());
                }
                of_json(&text(request).await?)
            }
            Source::Machine => self.of_machine().await.map_err(|error| {
                ObjectError::Lasting(format!(
                    "no credentials: neither `accessKey` and `secretKey`, nor AWS_ACCESS_KEY_ID and \
                     AWS_SECRET_ACCESS_KEY, nor a role of this machine ({error})"
                ))
            }),
            Source::Nobody => Err(ObjectError::Lasting("no credentials".to_owned())),
        }
    }

    async fn of_machine(&self) -> Result<Identity, ObjectError> {
        let token = self
            .http
            .put(format!("{MACHINE}/latest/api/token"))
            .header("x-aws-ec2-metadata-token-ttl-seconds", "900");
        let token = text(token).await?;
        let folder = format!("{MACHINE}/latest/meta-data/iam/security-credentials/");
        let ask = |url: String| {
            text(
                self.http
                    .get(url)
                    .header("x-aws-ec2-metadata-token", &token),
            )
        };
        let role = ask(folder.clone()).await?;
        let role = role.lines().next().unwrap_or_default();
        of_json(&ask(format!("{folder}{role}")).await?)
    }

    fn sts(&self) -> String {
        format!("sts.{}.amazonaws.com", self.region)
    }

    async fn taken_on(&self, role: &Role, identity: &Identity) -> Result<Identity, ObjectError> {
        let mut pairs = vec![
            ("Action", "AssumeRole".to_owned()),
            ("Version", "2011-06-15".to_owned()),
            ("RoleArn", role.arn.clone()),
            ("RoleSessionName", role.session.clone()),
            ("DurationSeconds", role.seconds.clone()),
        ];
        if let Some(id) = &role.external_id {
            pairs.push(("ExternalId", id.clone()));
        }
        let host = self.sts();
        let request = Request {
            method: "GET",
            host: &host,
            path: "/",
            query: &pairs,
            headers: Vec::new(),
            body_hash: &sha256(b""),
        };
        let at = now();
        let scope = Scope {
            region: &self.region,
            service: "sts",
            at: &at,
        };
        let mut ask = self.http.get(format!(
            "https://{host}{}?{}",
            encoded("/", true),
            query(&pairs)
        ));
        for (name, value) in signed(&request, identity, &scope) {
            ask = ask.header(name, value);
        }
        of_xml(&text(ask).await?)
    }
}

/// The time as signatures have it.
pub(super) fn now() -> String {
    chrono::Utc::now().format("%Y%m%dT%H%M%SZ").to_string()
}

async fn text(request: reqwest::RequestBuilder) -> Result<String, ObjectError> {
    let response = request
        .timeout(ASK_WITHIN)
        .send()
        .await
        .map_err(ObjectError::passing)?;
    let response = response.error_for_status().map_err(ObjectError::passing)?;
    response.text().await.map_err(ObjectError::passing)
}

fn of_xml(text: &str) -> Result<Identity, ObjectError> {
    let part = |name| xml::first(text, name).filter(|value| !value.is_empty());
    identity(
        part("AccessKeyId"),
        part("SecretAccessKey"),
        part("SessionToken"),
    )
}

fn of_json(text: &str) -> Result<Identity, ObjectError> {
    let json: Json = serde_json::from_str(text).map_err(ObjectError::lasting)?;
    let part = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    identity(part("AccessKeyId"), part("SecretAccessKey"), part("Token"))
}

fn identity(
    access: Option<String>,
    secret: Option<String>,
    token: Option<String>,
) -> Result<Identity, ObjectError> {
    match (access, secret) {
        (Some(access_key), Some(secret_key)) => Ok(Identity {
            access_key,
            secret_key,
            token,
        }),
        _ => Err(ObjectError::Lasting(
            "the answer holds no credentials".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let json =
            r#"{"AccessKeyId": "a", "SecretAccessKey": "hush", "Token": "t", "Expiration": "x"}"#;
        let xml = "<R><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>hush</SecretAccessKey><SessionToken>t</SessionToken></Credentials></R>";
        assert_eq!(of_json(json).unwrap(), of_xml(xml).unwrap());
        assert!(of_json("{}").is_err() && of_xml("").is_err() && of_json("no").is_err());
        assert!(!format!("{:?}", of_json(json).unwrap()).contains("hush"));
    }

    #[tokio::test]
    async fn what_is_given_is_used() {
        let pairs = [("p.accessKey", "a"), ("p.secretKey", "s")];
        let properties = Properties::with_prefix(pairs, "p.");
        let credentials = Credentials::new(&properties, "r", reqwest::Client::new()).unwrap();
        assert_eq!(
            credentials.identity().await.unwrap().unwrap().access_key,
            "a"
        );
        let role = Properties::with_prefix([("p.iamRoleBasedAccessEnabled", "true")], "p.");
        assert!(Credentials::new(&role, "r", reqwest::Client::new()).is_err());
    }
}
