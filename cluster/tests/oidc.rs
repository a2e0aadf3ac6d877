//! Tokens of an issuer that runs in the test: which hold, what their bearers may do, and when keys are fetched.
//!
//! Must not know: how signatures are checked. Invariant: nothing is asked of a network beyond this host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cluster::{Access, Permission, Settings, access};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    fetched: Arc<AtomicUsize>,
}

enum Signer {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ec() -> Fallible<Signer> {
    let random = SystemRandom::new();
    let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = EcdsaKeyPair::generate_pkcs8(way, &random).map_err(|e| e.to_string())?;
    let pair = EcdsaKeyPair::from_pkcs8(way, pair.as_ref(), &random);
    Ok(Signer::Ec(pair.map_err(|e| e.to_string())?))
}

fn ed() -> Fallible<Signer> {
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|e| e.to_string())?;
    let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).map_err(|e| e.to_string())?;
    Ok(Signer::Ed(pair))
}

impl Signer {
    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id,
                    "x": text(&point[1..33]), "y": text(&point[33..])})
            }
            Self::Ed(pair) => {
                let x = text(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x})
            }
        }
    }

    fn token(&self, header: Value, claims: &Value) -> Fallible<String> {
        let signed = format!(
            "{}.{}",
            text(header.to_string().as_bytes()),
            text(claims.to_string().as_bytes())
        );
        let signature = match self {
            Self::Ec(pair) => {
                let made = pair.sign(&SystemRandom::new(), signed.as_bytes());
                made.map_err(|e| e.to_string())?.as_ref().to_vec()
            }
            Self::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        Ok(format!("Bearer {signed}.{}", text(&signature)))
    }

    /// A token as it should be.
    fn good(&self, id: &str, claims: &Value) -> Fallible<String> {
        let alg = match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        };
        self.token(json!({"alg": alg, "typ": "JWT", "kid": id}), claims)
    }
}

async fn issuer() -> Fallible<Issuer> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let keys: Arc<Mutex<Vec<Value>>> = Arc::default();
    let fetched: Arc<AtomicUsize> = Arc::default();
    let told = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
    let state = (Arc::clone(&keys), Arc::clone(&fetched));
    let router = axum::Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(move || async move { Json(told) }),
        )
        .route("/keys", get(serve_keys))
        .with_state(state);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Issuer { url, keys, fetched })
}

type Keys = (Arc<Mutex<Vec<Value>>>, Arc<AtomicUsize>);

async fn serve_keys(State((keys, fetched)): State<Keys>) -> Json<Value> {
    fetched.fetch_add(1, Ordering::SeqCst);
    // A key of a kind that nobody knows must not hide the others.
    let mut all = vec![json!({"kty": "new", "kid": "odd"})];
    all.extend(keys.lock().iter().cloned());
    Json(json!({ "keys": all }))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|d| d.as_secs()).unwrap_or_default()
}

impl Issuer {
    fn claims(&self) -> Value {
        json!({"iss": self.url, "aud": "touriga", "exp": now() + 600, "sub": "ana", "tables": ["sales"], "permissions": ["READ"]})
    }

    fn access(&self) -> Fallible<Arc<Access>> {
        let mut settings = Settings::default();
        for (name, value) in [
            ("auth.oidc.issuer", self.url.as_str()),
            ("auth.oidc.audience", "touriga"),
            ("auth.oidc.groups.claim", "groups"),
            ("access.control.principals", "analysts"),
            ("access.control.principals.analysts.tables", "stock"),
            (
                "access.control.principals.analysts.stock.rls",
                "country = 'BR'",
            ),
            ("auth.token", "Bearer own.secret.token"),
        ] {
            settings.set(name, value);
        }
        Ok(Arc::new(Access::from_settings(&settings, access::BROKER)?))
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn tokens_hold_or_not() -> Fallible {
    let issuer = issuer().await?;
    let (one, two) = (ec()?, ed()?);
    issuer.keys.lock().push(one.jwk("1"));
    let access = issuer.access()?;
    assert!(access.is_closed());
    let good = one.good("1", &issuer.claims())?;
    let who = access
        .who(Some(&good))
        .await
        .ok_or("a good token does not hold")?;
    assert_eq!(who.name, "ana");
    assert!(who.may_touch("sales_REALTIME") && !who.may_touch("stock"));
    assert!(who.may(Permission::Read) && !who.may(Permission::Create));

    let claims = issuer.claims();
    let bad = [
        with(claims.clone(), "iss", json!("http://other")),
        with(claims.clone(), "aud", json!("others")),
        with(claims.clone(), "exp", json!(now() - 3600)),
        with(claims.clone(), "nbf", json!(now() + 3600)),
        with(claims.clone(), "sub", Value::Null),
        json!({"iss": issuer.url, "aud": "touriga", "sub": "ana"}),
    ];
    for claims in bad {
        let token = one.good("1", &claims)?;
        assert!(access.who(Some(&token)).await.is_none(), "{claims}");
    }
    // By another key, by none, and by the public key as if it were a shared secret.
    let others = two.good("1", &claims)?;
    let unsigned = one.token(json!({"alg": "none", "kid": "1"}), &claims)?;
    let shared = one.token(json!({"alg": "HS256", "kid": "1"}), &claims)?;
    let mut changed = good.clone();
    changed.replace_range(good.len() - 6..good.len() - 2, "AAAA");
    for token in [others, unsigned, shared, changed, "Bearer a.b.c".to_owned()] {
        assert!(access.who(Some(&token)).await.is_none(), "{token}");
    }
    // What the cluster itself shows still holds.
    let own = access.who(Some("Bearer own.secret.token")).await;
    assert!(own.is_some_and(|p| p.is_unlimited()));
    let reserved = with(claims, "sub", json!("cluster"));
    let bearer = access.who(Some(&one.good("1", &reserved)?)).await;
    assert!(bearer.is_some_and(|p| !p.is_unlimited()));
    Ok(())
}

#[tokio::test]
async fn groups_have_the_rights_of_the_settings() -> Fallible {
    let issuer = issuer().await?;
    let two = ed()?;
    issuer.keys.lock().push(two.jwk("2"));
    let access = issuer.access()?;
    let claims = with(issuer.claims(), "groups", json!(["staff", "analysts"]));
    let bearer = access.who(Some(&two.good("2", &claims)?)).await;
    let bearer = bearer.ok_or("the token does not hold")?;
    assert_eq!(bearer.name, "ana");
    assert!(bearer.may_touch("stock") && !bearer.may_touch("sales"));
    assert_eq!(bearer.row_filters("stock_OFFLINE").len(), 1);
    Ok(())
}

#[tokio::test]
async fn keys_are_fetched_rarely() -> Fallible {
    let issuer = issuer().await?;
    let (one, two) = (ec()?, ed()?);
    issuer.keys.lock().push(one.jwk("1"));
    let access = issuer.access()?;
    let good = one.good("1", &issuer.claims())?;
    for _ in 0..5 {
        assert!(access.who(Some(&good)).await.is_some());
    }
    // An unknown key is looked for, but not for every token that names one.
    issuer.keys.lock().push(two.jwk("2"));
    let newer = two.good("2", &issuer.claims())?;
    for _ in 0..5 {
        assert!(access.who(Some(&newer)).await.is_none());
    }
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 1);
    Ok(())
}

#[test]
fn an_audience_is_needed() {
    let mut settings = Settings::default();
    settings.set("auth.oidc.issuer", "http://127.0.0.1:1");
    let refused = Access::from_settings(&settings, access::BROKER);
    assert!(refused.is_err_and(|e| e.to_string().contains("auth.oidc.audience")));
}
