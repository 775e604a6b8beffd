//! A network that fails in front of a server of AWS's protocols: requests and answers get lost, are cut, come late, or the
//! server says no. What goes wrong is drawn from a seed, or said for one call.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is lost before anybody has it.
    Refuse,
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// Half of its body arrives.
    CutRequest,
    /// Half of the answer's body arrives.
    CutAnswer,
    /// It is carried out late.
    Delay(Duration),
    /// Nothing ever comes back.
    Stall,
    /// The server fails, with this status.
    Fail(u16),
    /// The server is too busy, and says so as DynamoDB and S3 do.
    Throttle,
    /// The server refuses with status 400 or 403 and this code.
    Deny(&'static str),
}

/// A proxy that fails; ends when dropped.
#[derive(Debug)]
pub struct Flaky {
    endpoint: String,
    plan: Arc<Mutex<Plan>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Plan {
    rules: Vec<Rule>,
    random: u64,
    percent: u64,
    seen: Vec<String>,
    carried_out: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    /// Of all if it is empty.
    action: String,
    fault: Fault,
    left: u32,
}

impl Flaky {
    /// Starts one in front of the server at `upstream`, through which all goes well.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(upstream: &str) -> Self {
        let upstream: SocketAddr = upstream
            .trim_start_matches("http://")
            .parse()
            .expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("is bound");
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = Arc::clone(&plan);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let plan = Arc::clone(&shared);
                connections.spawn(async move {
                    let service =
                        service_fn(move |request| pass(upstream, Arc::clone(&plan), request));
                    let server = hyper::server::conn::http1::Builder::new();
                    // It ends as its client or a fault wants.
                    drop(server.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self {
            endpoint: format!("http://{address}"),
            plan,
            server,
        }
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lets the next `times` requests of `action` (such as `UpdateItem` or `UploadPart`; all if it is empty) fail like this.
    pub fn fail(&self, action: &str, times: u32, fault: Fault) {
        let action = action.to_owned();
        self.plan().rules.push(Rule {
            action,
            fault,
            left: times,
        });
    }

    /// Lets `percent` of all requests fail somehow, as `seed` has it.
    pub fn fail_at_random(&self, seed: u64, percent: u64) {
        let mut plan = self.plan();
        plan.random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        plan.percent = percent;
    }

    /// Lets all go well from now on.
    pub fn mend(&self) {
        let mut plan = self.plan();
        plan.rules.clear();
        plan.percent = 0;
    }

    /// The actions that were asked for, each with what went wrong.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.plan().seen.clone()
    }

    /// How many requests of `action` the server has carried out.
    #[must_use]
    pub fn carried_out(&self, action: &str) -> usize {
        let plan = self.plan();
        let done = plan.carried_out.iter().filter(|done| *done == action);
        done.count()
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().expect("nobody panicked")
    }
}

impl Drop for Flaky {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Plan {
    fn draw(&mut self, action: &str) -> Option<Fault> {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.left > 0 && (rule.action.is_empty() || rule.action == action));
        let fault = match rule {
            Some(rule) => {
                rule.left -= 1;
                Some(rule.fault)
            }
            None => self.draw_any(),
        };
        let seen = fault.map_or_else(|| action.to_owned(), |fault| format!("{action}: {fault:?}"));
        self.seen.push(seen);
        fault
    }

    fn draw_any(&mut self) -> Option<Fault> {
        const KINDS: [Fault; 8] = [
            Fault::Refuse,
            Fault::LoseAnswer,
            Fault::CutRequest,
            Fault::CutAnswer,
            Fault::Delay(Duration::from_millis(50)),
            Fault::Fail(500),
            Fault::Fail(503),
            Fault::Throttle,
        ];
        if self.percent == 0 {
            return None;
        }
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let drawn = (self.random >> 20) % 100;
        (drawn < self.percent).then(|| KINDS[(self.random >> 40) as usize % KINDS.len()])
    }
}

type Body = BoxBody<Bytes, io::Error>;

async fn pass(
    upstream: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let action = action(&request);
    let fault = plan.lock().expect("nobody panicked").draw(&action);
    let is_s3 = !request.headers().contains_key("x-amz-target");
    match fault {
        Some(Fault::Refuse) => return Err(broken()),
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Delay(late)) => tokio::time::sleep(late).await,
        Some(Fault::Fail(status)) => return Ok(refusal(is_s3, status, "InternalError")),
        Some(Fault::Throttle) => {
            return Ok(match is_s3 {
                true => refusal(true, 503, "SlowDown"),
                false => refusal(false, 400, "ThrottlingException"),
            });
        }
        Some(Fault::Deny(code)) => return Ok(refusal(is_s3, if is_s3 { 403 } else { 400 }, code)),
        _ => {}
    }
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // Asked of us, and answered.
    head.headers.remove("expect");
    let is_cut = fault == Some(Fault::CutRequest) && !body.is_empty();
    let body = match is_cut {
        true => {
            head.headers.insert("content-length", body.len().into());
            half(&body)
        }
        false => whole(body),
    };
    let socket = TcpStream::connect(upstream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(Request::from_parts(head, body)).await;
    let (head, body) = answer.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    connection.abort();
    if head.status.is_success() {
        let mut plan = plan.lock().expect("nobody panicked");
        plan.carried_out.push(action);
    }
    match fault {
        Some(Fault::LoseAnswer | Fault::CutRequest) => Err(broken()),
        Some(Fault::CutAnswer) if !body.is_empty() => {
            let mut answer = Response::from_parts(head, half(&body));
            answer.headers_mut().remove("transfer-encoding");
            answer
                .headers_mut()
                .insert("content-length", body.len().into());
            Ok(answer)
        }
        Some(Fault::CutAnswer) => Err(broken()),
        _ => Ok(Response::from_parts(head, whole(body))),
    }
}

/// What is asked for, as AWS calls it.
fn action<B>(request: &Request<B>) -> String {
    let field = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(target) = field("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    let copies = field("x-amz-copy-source").is_some();
    let name = match *request.method() {
        Method::PUT if has("partNumber") && copies => "UploadPartCopy",
        Method::PUT if has("partNumber") => "UploadPart",
        Method::PUT => "PutObject",
        Method::POST if has("uploads") => "CreateMultipartUpload",
        Method::POST if has("uploadId") => "CompleteMultipartUpload",
        Method::HEAD => "HeadObject",
        Method::DELETE if has("uploadId") => "AbortMultipartUpload",
        Method::DELETE => "DeleteObject",
        Method::GET if has("uploadId") => "ListParts",
        Method::GET if has("uploads") => "ListMultipartUploads",
        Method::GET if has("list-type") => "ListObjectsV2",
        Method::GET => "GetObject",
        _ => "else",
    };
    name.to_owned()
}

fn refusal(is_s3: bool, status: u16, code: &str) -> Response<Body> {
    let (kind, text) = match is_s3 {
        true => (
            "application/xml",
            format!(
                "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>made to fail</Message></Error>"
            ),
        ),
        false => (
            "application/x-amz-json-1.0",
            format!(
                "{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"made to fail\"}}"
            ),
        ),
    };
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(whole(text.into()))
        .expect("a response")
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed()
}

/// The first half, and then the end of the connection.
fn half(bytes: &Bytes) -> Body {
    let half = bytes.slice(..bytes.len() / 2);
    let frames = [Ok(Frame::data(half)), Err(broken())];
    StreamBody::new(stream::iter(frames)).boxed()
}

fn broken() -> io::Error {
    io::Error::other("made to fail")
}
