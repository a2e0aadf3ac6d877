//! Who may do what: principals out of settings, by password or bearer token, as Pinot's config names them.
//!
//! Must not know: HTTP paths, queries. Invariants: without a principal everything is allowed; with one nothing is without proof;
//! no secret is ever printed.

mod oidc;
mod scram;
mod secret;
mod signature_check;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use parking_lot::Mutex;
use ring::hmac;
use sha2::{Digest, Sha256};

use crate::settings::{Settings, SettingsError};
pub use scram::Scram;
pub use secret::Secret;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Looks.
    Read,
    /// Makes.
    Create,
    /// Changes.
    Update,
    /// Removes.
    Delete,
}

impl Permission {
    fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Create, Self::Update, Self::Delete]
            .into_iter()
            .find(|p| p.name().eq_ignore_ascii_case(text))
    }

    /// The name in settings and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// What an HTTP method does.
    #[must_use]
    pub fn of_method(method: &str) -> Self {
        match method {
            "POST" => Self::Create,
            "PUT" | "PATCH" => Self::Update,
            "DELETE" => Self::Delete,
            _ => Self::Read,
        }
    }
}

/// The name of other roles of the cluster.
const OF_THE_CLUSTER: &str = "cluster";

/// Somebody with rights.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Name.
    pub name: String,
    password: Option<Secret>,
    token: Option<Secret>,
    /// Raw names of tables; empty means all.
    tables: Vec<String>,
    excluded: Vec<String>,
    /// Empty means all.
    permissions: Vec<Permission>,
    /// Raw table name -> filters that are added to every query of it.
    row_filters: BTreeMap<String, Vec<String>>,
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Principal {}

impl Principal {
    /// One who may do everything.
    fn of_the_cluster(token: Secret) -> Self {
        Self {
            name: OF_THE_CLUSTER.to_owned(),
            password: None,
            token: Some(token),
            tables: Vec::new(),
            excluded: Vec::new(),
            permissions: Vec::new(),
            row_filters: BTreeMap::new(),
        }
    }

    /// True where the tables that this one may touch are listed.
    #[must_use]
    pub fn is_limited_to_tables(&self) -> bool {
        !self.tables.is_empty() || !self.excluded.is_empty()
    }

    /// True where this one may do that at all.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.is_empty() || self.permissions.contains(&permission)
    }

    /// True where this one may touch a table, named with or without type.
    #[must_use]
    pub fn may_touch(&self, table: &str) -> bool {
        let raw = common::ids::split_type(table).0;
        let listed = |list: &[String]| list.iter().any(|t| t == raw || t == table);
        (self.tables.is_empty() || listed(&self.tables)) && !listed(&self.excluded)
    }

    /// True where this one may do everything, as another role of the cluster must.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.permissions.is_empty() && !self.is_limited_to_tables()
    }

    /// True where some table shows this one a part of its rows only.
    #[must_use]
    pub fn has_row_filters(&self) -> bool {
        !self.row_filters.is_empty()
    }

    /// Filters over a table's rows that hold for this one.
    #[must_use]
    pub fn row_filters(&self, table: &str) -> &[String] {
        let raw = common::ids::split_type(table).0;
        self.row_filters.get(raw).map_or(&[], Vec::as_slice)
    }
}

/// Where a role's principals are listed, its own names first.
pub const CONTROLLER: &[&str] = &[
    "controller.admin.access.control.principals",
    "access.control.principals",
];
/// Of a broker.
pub const BROKER: &[&str] = &[
    "pinot.broker.access.control.principals",
    "access.control.principals",
];
/// Of a server; where it has none of its own, those of the controller or the broker in the same settings hold.
pub const SERVER: &[&str] = &[
    "pinot.server.access.control.principals",
    "access.control.principals",
    "controller.admin.access.control.principals",
    "pinot.broker.access.control.principals",
];

/// Names of the header that this process shows to other roles.
const OWN_TOKEN: &[&str] = &[
    "auth.token",
    "pinot.server.instance.auth.token",
    "pinot.server.segment.fetcher.auth.token",
    "pinot.server.segment.uploader.auth.token",
    "controller.segment.fetcher.auth.token",
    "pinot.controller.segment.fetcher.auth.token",
    "pinot.broker.auth.token",
];

/// Who is known to a role.
pub struct Access {
    principals: Vec<Arc<Principal>>,
    own_header: Option<Secret>,
    /// Whose tokens hold too.
    issuer: Option<oidc::Issuer>,
    /// Makes salts of names, anew with each process.
    salts: hmac::Key,
    /// Digest of headers that were proven: a password's hash is slow on purpose.
    proven: Mutex<HashMap<[u8; 32], Arc<Principal>>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.principals.iter().map(|p| &p.name))
            .finish()
    }
}

/// Proven headers that are remembered.
const PROVEN: usize = 4096;

impl Access {
    /// Nobody is asked for anything.
    #[must_use]
    pub fn open() -> Self {
        Self {
            principals: Vec::new(),
            own_header: None,
            issuer: None,
            salts: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            proven: Mutex::default(),
        }
    }

    /// The principals under the first of `names` that lists some.
    ///
    /// # Errors
    /// Where one has neither password nor token, or a permission is unknown.
    pub fn from_settings(settings: &Settings, names: &[&str]) -> Result<Self, SettingsError> {
        let mut access = Self::open();
        if let Some(own) = settings.first(OWN_TOKEN) {
            access.own_header = Some(Secret::new(own));
        }
        access.issuer = oidc::Issuer::from_settings(settings)?;
        let listed = names.iter().find(|name| settings.get(name).is_some());
        if listed.is_none() && access.issuer.is_none() {
            return Ok(access);
        }
        if let Some(prefix) = listed {
            for name in settings.list(prefix) {
                let principal = principal(settings, prefix, name, access.issuer.is_some())?;
                access.principals.push(Arc::new(principal));
            }
        }
        if let Some(own) = &access.own_header {
            let cluster = Principal::of_the_cluster(own.clone());
            access.principals.push(Arc::new(cluster));
        }
        Ok(access)
    }

    /// True where proof is asked for.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.principals.is_empty() || self.issuer.is_some()
    }

    /// True where tokens of an issuer hold.
    #[must_use]
    pub fn has_issuer(&self) -> bool {
        self.issuer.is_some()
    }

    /// The header that this process shows to other roles; a secret.
    #[must_use]
    pub fn own_header(&self) -> Option<&str> {
        self.own_header.as_ref().map(Secret::expose)
    }

    /// Who shows this `Authorization` header; `None` where nobody known does.
    #[must_use]
    pub fn identify(&self, header: Option<&str>) -> Option<Arc<Principal>> {
        let header = header?.trim();
        let digest: [u8; 32] = Sha256::digest(header.as_bytes()).into();
        if let Some(known) = self.proven.lock().get(&digest) {
            return Some(Arc::clone(known));
        }
        let found = Arc::clone(self.prove(header)?);
        let mut proven = self.proven.lock();
        if proven.len() >= PROVEN {
            proven.clear();
        }
        proven.insert(digest, Arc::clone(&found));
        Some(found)
    }

    /// What proves the password of a user without it being sent; none where the password itself is needed, because settings hold a hash of
    /// it. One whom nobody knows is asked for a proof that never holds.
    #[must_use]
    pub fn scram(&self, user: &str) -> Option<Scram> {
        let plain = |p: &Principal| {
            let text = p.password.as_ref()?.plain()?;
            // Others would have to be normalised first.
            text.is_ascii().then(|| text.to_owned())
        };
        match self.principals.iter().find(|p| p.name == user) {
            Some(known) => {
                let password = plain(known)?;
                let shown = STANDARD.encode(format!("{user}:{password}"));
                let header = Some(format!("Basic {shown}"));
                Some(Scram::of(&self.salts, user, &password, header))
            }
            None => {
                let somebodys = self.principals.iter().any(|p| plain(p).is_some());
                somebodys.then(|| Scram::of(&self.salts, user, "", None))
            }
        }
    }

    /// As [`Access::identify`], away from the threads that wait for the network where a password is to be hashed.
    pub async fn who(self: &Arc<Self>, header: Option<&str>) -> Option<Arc<Principal>> {
        let header = header?.trim().to_owned();
        let digest: [u8; 32] = Sha256::digest(header.as_bytes()).into();
        if let Some(known) = self.proven.lock().get(&digest) {
            return Some(Arc::clone(known));
        }
        if let (Some(issuer), Some(token)) = (&self.issuer, token_of_an_issuer(&header))
            && let Some(bearer) = issuer.bearer(token, &self.principals).await
        {
            return Some(bearer);
        }
        let access = Arc::clone(self);
        let proving = tokio::task::spawn_blocking(move || access.identify(Some(&header)));
        proving.await.ok().flatten()
    }

    fn prove(&self, header: &str) -> Option<&Arc<Principal>> {
        let is_own = self
            .own_header
            .as_ref()
            .is_some_and(|own| own.matches(header));
        if is_own {
            return self.principals.iter().find(|p| p.name == OF_THE_CLUSTER);
        }
        let (scheme, value) = header.split_once(' ')?;
        let value = value.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            let shown = |p: &&Arc<Principal>| p.token.as_ref().is_some_and(|t| t.matches(value));
            return self.principals.iter().find(shown);
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let (user, password) = credentials(value)?;
        let known = self.principals.iter().find(|p| p.name == user)?;
        let proven = known
            .password
            .as_ref()
            .is_some_and(|p| p.matches(&password));
        proven.then_some(known)
    }
}

/// The token of a bearer header that has the three parts of a signed one.
fn token_of_an_issuer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.matches('.').count() == 2).then_some(token)
}

/// User and password of a basic header; padding may be missing.
fn credentials(value: &str) -> Option<(String, String)> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let text = String::from_utf8(engine.decode(value).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Permissions out of a list; none where it names all.
fn permissions(named: &str, list: Vec<String>) -> Result<Vec<Permission>, SettingsError> {
    let mut permissions = Vec::new();
    for text in all(list) {
        let known = Permission::parse(&text).ok_or_else(|| SettingsError::Value {
            name: named.to_owned(),
            why: format!("unknown permission `{text}`, expected READ, CREATE, UPDATE, DELETE"),
        })?;
        permissions.push(known);
    }
    Ok(permissions)
}

/// A list that names everything is empty.
fn all(list: Vec<String>) -> Vec<String> {
    let everything = list
        .iter()
        .any(|item| item == "*" || item.eq_ignore_ascii_case("all"));
    if everything { Vec::new() } else { list }
}

fn principal(
    settings: &Settings,
    prefix: &str,
    name: String,
    by_issuer: bool,
) -> Result<Principal, SettingsError> {
    let base = format!("{prefix}.{name}");
    let secret = |what: &str| settings.get(&format!("{base}.{what}")).map(Secret::new);
    let (password, token) = (secret("password"), secret("token"));
    if password.is_none() && token.is_none() && !by_issuer {
        return Err(SettingsError::Value {
            name: format!("{base}.password"),
            why: "missing; a principal needs a password or a token".to_owned(),
        });
    }
    let named = format!("{base}.permissions");
    let permissions = permissions(&named, settings.list(&named))?;
    let mut row_filters = BTreeMap::new();
    for (key, value) in settings.iter() {
        let table = key
            .strip_prefix(&base)
            .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".rls"));
        if let Some(table) = table {
            let filters = value
                .split(',')
                .map(|f| f.trim().trim_matches('"').to_owned());
            row_filters.insert(
                table.to_owned(),
                filters.filter(|f| !f.is_empty()).collect(),
            );
        }
    }
    Ok(Principal {
        tables: all(settings.list(&format!("{base}.tables"))),
        excluded: settings.list(&format!("{base}.excludeTables")),
        name,
        password,
        token,
        permissions,
        row_filters,
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::{Access, CONTROLLER, Permission, SERVER};
    use crate::settings::Settings;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        for (name, value) in [
            ("", "admin,user,robot"),
            (".admin.password", "very:secret"),
            (
                ".user.password",
                "{SHA-256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
            ),
            (".user.tables", "sales, stock"),
            (".user.excludeTables", "stock"),
            (".user.permissions", "READ"),
            (".user.sales.rls", "city = 'Recife', price > 10"),
            (".robot.token", "t0k3n"),
        ] {
            settings.set(
                format!("controller.admin.access.control.principals{name}"),
                value,
            );
        }
        settings
    }

    fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    #[test]
    fn passwords_and_tokens_prove() -> Result<(), Box<dyn std::error::Error>> {
        let access = Access::from_settings(&settings(), CONTROLLER)?;
        let name = |header: &str| access.identify(Some(header)).map(|p| p.name.clone());
        assert!(access.is_closed());
        assert_eq!(
            name(&basic("admin", "very:secret")).as_deref(),
            Some("admin")
        );
        assert_eq!(
            name(basic("admin", "very:secret").trim_end_matches('=')).as_deref(),
            Some("admin")
        );
        assert_eq!(name(&basic("user", "secret")).as_deref(), Some("user"));
        assert_eq!(name("Bearer t0k3n").as_deref(), Some("robot"));
        for wrong in [
            basic("admin", "secret"),
            basic("robot", ""),
            "Bearer x".to_owned(),
            "Basic !".to_owned(),
        ] {
            assert_eq!(name(&wrong), None, "{wrong}");
        }
        assert!(access.identify(None).is_none());
        Ok(())
    }

    #[test]
    fn rights_are_tables_and_permissions() -> Result<(), Box<dyn std::error::Error>> {
        let access = Access::from_settings(&settings(), SERVER)?;
        let user = access
            .identify(Some(&basic("user", "secret")))
            .ok_or("not known")?;
        assert!(user.may(Permission::Read) && !user.may(Permission::Delete));
        assert!(
            user.may_touch("sales_REALTIME")
                && !user.may_touch("stock")
                && !user.may_touch("other")
        );
        assert_eq!(
            user.row_filters("sales_OFFLINE"),
            ["city = 'Recife'", "price > 10"]
        );
        let admin = access
            .identify(Some(&basic("admin", "very:secret")))
            .ok_or("not known")?;
        assert!(admin.is_unlimited() && admin.may_touch("anything"));
        Ok(())
    }

    #[test]
    fn the_cluster_has_a_header_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let mut settings = settings();
        settings.set("pinot.server.instance.auth.token", "Bearer inner");
        let access = Access::from_settings(&settings, SERVER)?;
        assert_eq!(access.own_header(), Some("Bearer inner"));
        assert!(
            access
                .identify(Some("Bearer inner"))
                .is_some_and(|p| p.is_unlimited())
        );
        assert!(!format!("{access:?}").contains("inner"));
        assert!(!Access::open().is_closed());
        Ok(())
    }

    #[test]
    fn a_principal_without_proof_is_refused() {
        let mut settings = Settings::default();
        settings.set("access.control.principals", "nobody");
        assert!(Access::from_settings(&settings, CONTROLLER).is_err());
        settings.set("access.control.principals.nobody.password", "x");
        settings.set("access.control.principals.nobody.permissions", "FLY");
        assert!(Access::from_settings(&settings, CONTROLLER).is_err());
    }
}
