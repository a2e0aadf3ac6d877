//! Tokens of an OpenID issuer: whether one holds, and what its bearer may do.
//!
//! Must not know: HTTP paths, queries. Invariants: a token holds only with a signature by one of the issuer's keys, from this issuer, for
//! this audience, within its time; a token without rights is somebody who may do nothing; keys are fetched rarely and kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use parking_lot::RwLock;
use serde_json::Value as Json;

use super::{OF_THE_CLUSTER, Permission, Principal, signature_check};
use crate::dial;
use crate::settings::{Settings, SettingsError};

const ISSUER: &str = "auth.oidc.issuer";
const AUDIENCE: &str = "auth.oidc.audience";
/// Keys are not fetched more often than this, whatever tokens name.
const RARELY: Duration = Duration::from_secs(10);
const FETCH_TIME: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 1 << 20;
/// How far clocks may be apart, seconds.
const LEEWAY: u64 = 30;

/// Who makes tokens, and how they are read.
pub(super) struct Issuer {
    name: String,
    audience: Vec<String>,
    /// Where the keys are; the issuer says so where it is not set.
    keys_at: Option<String>,
    kept: Duration,
    claims: Claims,
    http: reqwest::Client,
    keys: RwLock<Arc<Keys>>,
    fetching: tokio::sync::Mutex<Option<Instant>>,
}

/// Names of claims, and what holds where they are absent.
struct Claims {
    principal: String,
    tables: String,
    permissions: String,
    groups: Option<String>,
    default_tables: Vec<String>,
    default_permissions: Vec<Permission>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, Key>,
    /// Keys without an id.
    nameless: Vec<Key>,
    since: Option<Instant>,
}

struct Key {
    key: DecodingKey,
    /// The kind of signature that it is for, where the issuer says so.
    of: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the answer is no JSON as expected: {0}")]
    Form(#[from] serde_json::Error),
    #[error("{0}")]
    Content(String),
}

impl Issuer {
    /// The issuer that settings name, if any.
    ///
    /// # Errors
    /// Where the audience is missing, or a value is wrong.
    pub(super) fn from_settings(settings: &Settings) -> Result<Option<Self>, SettingsError> {
        let Some(name) = settings.get(ISSUER) else {
            return Ok(None);
        };
        let audience = settings.list(AUDIENCE);
        if audience.is_empty() {
            return Err(SettingsError::Value {
                name: AUDIENCE.to_owned(),
                why: "missing; tokens for others must not be taken, expected the audience that the issuer writes for this cluster"
                    .to_owned(),
            });
        }
        signature_check::install();
        let seconds = settings.number(&["auth.oidc.jwks.cache.seconds"])?;
        Ok(Some(Self {
            name: name.to_owned(),
            audience,
            keys_at: settings.get("auth.oidc.jwks.uri").map(str::to_owned),
            kept: Duration::from_secs(seconds.unwrap_or(600)),
            claims: Claims::from_settings(settings)?,
            http: dial::client_to_others(settings.get("auth.oidc.ca"), FETCH_TIME)?,
            keys: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// Who bears a token; `None` where it does not hold.
    pub(super) async fn bearer(
        &self,
        token: &str,
        known: &[Arc<Principal>],
    ) -> Option<Arc<Principal>> {
        let header = decode_header(token).ok()?;
        if !signature_check::TAKEN.contains(&header.alg) {
            return None;
        }
        let id = header.kid.as_deref();
        let mut keys = Arc::clone(&self.keys.read());
        let missing = keys.find(id).is_none();
        if missing || keys.since.is_none_or(|at| at.elapsed() > self.kept) {
            keys = self.fetched(&keys, missing).await;
        }
        let key = keys.find(id)?;
        if key
            .of
            .as_ref()
            .is_some_and(|of| *of != format!("{:?}", header.alg))
        {
            return None;
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.name]);
        validation.set_audience(&self.audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        match decode::<serde_json::Map<String, Json>>(token, &key.key, &validation) {
            Ok(token) => self.claims.principal(&token.claims, known),
            Err(error) => {
                tracing::debug!(%error, "a token does not hold");
                None
            }
        }
    }

    /// Fetches the keys, once for everybody who must wait; the old ones where that is not possible or was done just now.
    async fn fetched(&self, old: &Arc<Keys>, must: bool) -> Arc<Keys> {
        let mut last = match self.fetching.try_lock() {
            Ok(last) => last,
            Err(_) if must => self.fetching.lock().await,
            Err(_) => return Arc::clone(old),
        };
        let now = Arc::clone(&self.keys.read());
        if !Arc::ptr_eq(&now, old) || last.is_some_and(|at| at.elapsed() < RARELY) {
            return now;
        }
        *last = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                tracing::info!(issuer = self.name, keys = keys.len(), "keys of the issuer");
                let keys = Arc::new(keys);
                *self.keys.write() = Arc::clone(&keys);
                keys
            }
            Err(error) => {
                tracing::warn!(issuer = self.name, %error, "the issuer's keys cannot be fetched");
                now
            }
        }
    }

    async fn fetch(&self) -> Result<Keys, FetchError> {
        let at = match &self.keys_at {
            Some(at) => at.clone(),
            None => self.discovered().await?,
        };
        let set: Json = self.get(&at).await?;
        let mut keys = Keys {
            since: Some(Instant::now()),
            ..Keys::default()
        };
        // A key of a kind that is not known here must not hide the others.
        for one in set["keys"].as_array().into_iter().flatten() {
            if let Ok(jwk) = serde_json::from_value::<Jwk>(one.clone()) {
                keys.add(&jwk);
            }
        }
        Ok(keys)
    }

    /// Where the issuer says that its keys are.
    async fn discovered(&self) -> Result<String, FetchError> {
        let base = self.name.trim_end_matches('/');
        let at = format!("{base}/.well-known/openid-configuration");
        let told = self.get(&at).await?;
        if told["issuer"].as_str() != Some(&self.name) {
            return Err(FetchError::Content(format!(
                "`{base}` says that it is `{}`",
                told["issuer"].as_str().unwrap_or_default()
            )));
        }
        let at = told["jwks_uri"].as_str().map(str::to_owned);
        at.ok_or_else(|| FetchError::Content(format!("`{base}` does not say where its keys are")))
    }

    async fn get(&self, url: &str) -> Result<Json, FetchError> {
        let mut answer = self.http.get(url).send().await?.error_for_status()?;
        let mut text = Vec::new();
        while let Some(part) = answer.chunk().await? {
            if text.len().saturating_add(part.len()) > LARGEST_ANSWER {
                return Err(FetchError::Content(format!("`{url}` answers too much")));
            }
            text.extend_from_slice(&part);
        }
        Ok(serde_json::from_slice(&text)?)
    }
}

impl Keys {
    fn len(&self) -> usize {
        self.by_id.len().saturating_add(self.nameless.len())
    }

    fn add(&mut self, jwk: &Jwk) {
        let signs = matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        );
        let shared = matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
        if !signs || shared {
            return;
        }
        let Ok(key) = DecodingKey::from_jwk(jwk) else {
            return;
        };
        let of = jwk
            .common
            .key_algorithm
            .as_ref()
            .map(|of| format!("{of:?}"));
        let key = Key { key, of };
        match &jwk.common.key_id {
            Some(id) => drop(self.by_id.insert(id.clone(), key)),
            None => self.nameless.push(key),
        }
    }

    /// The key of an id; without an id the only one.
    fn find(&self, id: Option<&str>) -> Option<&Key> {
        let mut all = self.by_id.values().chain(&self.nameless);
        match id {
            Some(id) => self.by_id.get(id),
            None => all.next().filter(|_| self.len() == 1),
        }
    }
}

impl Claims {
    fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let named = |name: &str, default: &str| {
            let name = format!("auth.oidc.{name}.claim");
            settings.get(&name).unwrap_or(default).to_owned()
        };
        let defaults = "auth.oidc.default.permissions";
        let default_permissions = match settings.list(defaults) {
            none if none.is_empty() => vec![Permission::Read],
            list => super::permissions(defaults, list)?,
        };
        Ok(Self {
            principal: named("principal", "sub"),
            tables: named("tables", "tables"),
            permissions: named("permissions", "permissions"),
            groups: settings.get("auth.oidc.groups.claim").map(str::to_owned),
            default_tables: settings.list("auth.oidc.default.tables"),
            default_permissions,
        })
    }

    /// Rights of the principal of that name or of one of the groups in the settings, else those that the token says.
    fn principal(
        &self,
        claims: &serde_json::Map<String, Json>,
        known: &[Arc<Principal>],
    ) -> Option<Arc<Principal>> {
        let name = claims.get(&self.principal)?.as_str()?.to_owned();
        let groups = self.groups.as_ref().and_then(|claim| list(claims, claim));
        let candidates = std::iter::once(&name).chain(groups.iter().flatten());
        let configured = candidates
            .filter(|name| *name != OF_THE_CLUSTER)
            .find_map(|name| known.iter().find(|p| p.name == *name));
        if let Some(configured) = configured {
            let mut bearer = Principal::clone(configured);
            bearer.name = name;
            return Some(Arc::new(bearer));
        }
        let tables = list(claims, &self.tables).unwrap_or_else(|| self.default_tables.clone());
        let permissions = match list(claims, &self.permissions) {
            Some(told) if told.iter().any(|p| is_all(p)) => Vec::new(),
            Some(told) => {
                let known: Vec<_> = told.iter().filter_map(|p| Permission::parse(p)).collect();
                // Words of others must not mean everything.
                if known.is_empty() {
                    return Some(Arc::new(nobody(name)));
                }
                known
            }
            None => self.default_permissions.clone(),
        };
        let mut bearer = nobody(name);
        if tables.iter().any(|t| is_all(t)) {
            bearer.tables.clear();
        } else if !tables.is_empty() {
            bearer.tables = tables;
        }
        bearer.permissions = permissions;
        Some(Arc::new(bearer))
    }
}

fn is_all(text: &str) -> bool {
    text == "*" || text.eq_ignore_ascii_case("all")
}

/// Somebody who is known and may touch no table.
fn nobody(name: String) -> Principal {
    Principal {
        name,
        password: None,
        token: None,
        tables: vec![String::new()],
        excluded: Vec::new(),
        permissions: vec![Permission::Read],
        row_filters: BTreeMap::new(),
    }
}

/// A claim as a list: an array of texts, or one text with spaces or commas between; a path with dots leads into objects.
fn list(claims: &serde_json::Map<String, Json>, name: &str) -> Option<Vec<String>> {
    let found = claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |found, part| found.get(part))
    })?;
    match found {
        Json::Array(items) => {
            let texts = items.iter().filter_map(Json::as_str);
            Some(texts.map(str::to_owned).collect())
        }
        Json::String(text) => {
            let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
            Some(parts.map(str::to_owned).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Claims, Permission, Settings, list};

    fn claims(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn claims_are_rights() -> Result<(), Box<dyn std::error::Error>> {
        let read = Claims::from_settings(&Settings::default())?;
        let of = |value| read.principal(&claims(value), &[]).ok_or("nobody");
        let some = of(json!({"sub": "a", "tables": ["t"], "permissions": "READ, UPDATE"}))?;
        assert!(some.may_touch("t_OFFLINE") && !some.may_touch("u"));
        assert!(some.may(Permission::Update) && !some.may(Permission::Delete));
        let none = of(json!({"sub": "a"}))?;
        assert!(!none.may_touch("t") && !none.is_unlimited() && !none.may(Permission::Create));
        let odd = of(json!({"sub": "a", "tables": "*", "permissions": ["FLY"]}))?;
        assert!(!odd.may_touch("t"));
        let all = of(json!({"sub": "a", "tables": "*", "permissions": ["*"]}))?;
        assert!(all.is_unlimited());
        assert!(
            read.principal(&claims(json!({"tables": "*"})), &[])
                .is_none()
        );
        let nested = claims(json!({"realm_access": {"roles": ["x", "y"]}}));
        assert_eq!(list(&nested, "realm_access.roles").ok_or("none")?.len(), 2);
        Ok(())
    }
}
