//! The way to etcd: connections, and who this process says it is.
//!
//! Must not know: what is asked. Invariants: a member that is there and says nothing is waited for but not for ever; a call is made again
//! only where etcd refused it for its token, and so has not done it.

use std::time::Duration;

use parking_lot::RwLock;
use proto::etcd::AuthenticateRequest;
use proto::etcd::auth_client::AuthClient;
use tonic::codegen::http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::settings::{EtcdSettings, User};
use super::{failed, wrong};
use crate::metadata_store::StoreError;

/// By when an answer is there, or the store counts as out of reach.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);

/// What a call goes over.
pub(super) type Link = InterceptedService<Channel, Shown>;

/// Puts the token of this process into calls.
#[derive(Clone)]
pub(super) struct Shown(Option<MetadataValue<Ascii>>);

impl Interceptor for Shown {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}

/// Connections to the members.
pub(super) struct Way {
    channel: RwLock<Channel>,
    /// Opens another channel, which tries members from that one on; absent where one channel goes to all of them.
    again: Option<Box<dyn Fn(usize) -> Channel + Send + Sync>>,
    /// How often a member was given up.
    given_up: RwLock<usize>,
    user: Option<User>,
    token: RwLock<Option<MetadataValue<Ascii>>>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// An address of a member without its scheme: what secures a connection is no matter of the address.
fn endpoint(member: &str) -> Result<Endpoint, StoreError> {
    let address = member.split_once("://").map_or(member, |(_, rest)| rest);
    let doing = format!("use etcd's member `{member}`");
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(failed(&doing))?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(1))
        .keep_alive_timeout(Duration::from_secs(1))
        .keep_alive_while_idle(true))
}

impl Way {
    pub(super) fn open(settings: &EtcdSettings) -> Result<Self, StoreError> {
        let endpoints = settings.members.iter().map(|member| endpoint(member));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        let Some(first) = endpoints.first().cloned() else {
            return Err(wrong("use etcd", "no member is named"));
        };
        let (channel, again) = match settings.tls.clone() {
            None => (Channel::balance_list(endpoints.into_iter()), None),
            Some(tls) => {
                let members: Vec<Uri> = endpoints.iter().map(|e| e.uri().clone()).collect();
                // Every member may take its time before the next one is tried.
                let first = first.connect_timeout(Duration::from_secs(10));
                let open = move |from: usize| {
                    let mut members = members.clone();
                    let from = from.checked_rem(members.len()).unwrap_or_default();
                    members.rotate_left(from);
                    proto::grpc::first_of(&first, members.into(), tls.clone())
                };
                let again: Box<dyn Fn(usize) -> Channel + Send + Sync> = Box::new(open);
                (again(0), Some(again))
            }
        };
        Ok(Self {
            channel: RwLock::new(channel),
            again,
            given_up: RwLock::new(0),
            user: settings.user.clone(),
            token: RwLock::new(None),
        })
    }

    fn link(&self) -> Link {
        let token = self.token.read().clone();
        InterceptedService::new(self.channel.read().clone(), Shown(token))
    }

    /// Asks, once more where the token was out of date.
    pub(super) async fn ask<T, F>(
        &self,
        doing: &str,
        call: impl Fn(Link) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let fresh = self.user.is_some() && self.token.read().is_none();
        if fresh {
            self.log_in().await?;
        }
        match self.answer(doing, call(self.link())).await? {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) if !fresh && self.user.is_some() && is_outdated(&status) => {
                self.log_in().await?;
                let again = self.answer(doing, call(self.link())).await?;
                again.map(Response::into_inner).map_err(failed(doing))
            }
            Err(status) => Err(failed(doing)(status)),
        }
    }

    /// Waits for an answer, but not for ever: a member may be there and say nothing.
    async fn answer<T>(
        &self,
        doing: &str,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<Result<T, Status>, StoreError> {
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answered) => {
                if matches!(&answered, Err(status) if status.code() == Code::Unavailable) {
                    self.go_elsewhere();
                }
                Ok(answered)
            }
            Err(_) => {
                self.go_elsewhere();
                Err(wrong(doing, "etcd does not answer in time"))
            }
        }
    }

    /// The next call goes to another member.
    fn go_elsewhere(&self) {
        let Some(again) = &self.again else { return };
        let mut given_up = self.given_up.write();
        *given_up = given_up.wrapping_add(1);
        *self.channel.write() = again(*given_up);
    }

    async fn log_in(&self) -> Result<(), StoreError> {
        let Some(user) = &self.user else {
            return Ok(());
        };
        let doing = format!("log in to etcd as `{}`", user.name);
        let request = AuthenticateRequest {
            name: user.name.clone(),
            password: user.password.clone(),
        };
        let link = InterceptedService::new(self.channel.read().clone(), Shown(None));
        let mut client = AuthClient::new(link);
        let token = match self.answer(&doing, client.authenticate(request)).await? {
            Ok(answer) => answer.into_inner().token,
            // An etcd that asks nobody who they are takes calls without a token.
            Err(status) if status.code() == Code::FailedPrecondition => {
                tracing::warn!(why = status.message(), "etcd takes no user");
                return Ok(());
            }
            Err(status) => return Err(failed(&doing)(status)),
        };
        *self.token.write() = Some(token.parse().map_err(failed(&doing))?);
        Ok(())
    }
}

/// Whether etcd refused a call for a token that is unknown or older than a change of its users.
fn is_outdated(status: &Status) -> bool {
    match status.code() {
        Code::Unauthenticated => true,
        Code::InvalidArgument => status.message().contains("revision of auth store is old"),
        _ => false,
    }
}
