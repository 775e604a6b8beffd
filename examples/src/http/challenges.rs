//! What a client of ACME puts into a folder for its authority to fetch (RFC 8555 §8.3), so that certificates are made and
//! renewed while this process holds port 80.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// The challenges of the folder `webroot`, as `certbot --webroot` writes them there.
pub(crate) fn challenges(webroot: &Path) -> Router {
    let folder = webroot.join(FOLDER);
    let answer =
        async move |extract::Path(token): extract::Path<String>| answer(folder, &token).await;
    Router::new().route(&format!("/{FOLDER}/{{token}}"), get(answer))
}

async fn answer(folder: PathBuf, token: &str) -> Response {
    // Base64url, so none leads out of the folder.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !token.bytes().all(is_token) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match read(&folder.join(token)).await {
        Ok(authorization) => {
            let fields = [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (fields, authorization).into_response()
        }
        Err(error) => {
            tracing::debug!(token, %error, "no such challenge");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut authorization = Vec::new();
    let file = File::open(path).await?;
    file.take(MAX_BYTES).read_to_end(&mut authorization).await?;
    Ok(authorization)
}

const FOLDER: &str = ".well-known/acme-challenge";

/// A token and a digest are some hundred.
const MAX_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn challenges_are_answered_and_nothing_else() {
        let webroot = tempfile::tempdir().unwrap();
        let folder = webroot.path().join(FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a-Z_9"), "a-Z_9.thumbprint").unwrap();
        std::fs::write(webroot.path().join("secret"), "secret").unwrap();
        std::fs::write(folder.join("a.b"), "hidden").unwrap();
        let ask = async |name: &str| {
            let request = Request::get(format!("/{FOLDER}/{name}"));
            let request = request.body(Body::empty()).unwrap();
            challenges(webroot.path()).oneshot(request).await.unwrap()
        };
        let answer = ask("a-Z_9").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = to_bytes(answer.into_body(), 1024).await.unwrap();
        assert_eq!(body, "a-Z_9.thumbprint");
        for name in ["none", "", "a.b", "..%2F..%2Fsecret", "..", "%2E%2E"] {
            assert_eq!(ask(name).await.status(), StatusCode::NOT_FOUND, "{name}");
        }
    }
}
