//! The API's description. What a channel is comes from the same table that reads and writes it.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use super::{channels, live, platform, recordings, session, urls, usage, watermark};
use crate::channel::{FIELDS, Field, Kind, Moment, Settings};
use crate::path::MAX_ID_CHARS;

/// The description of the API in OpenAPI 3.1.
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "lsv", description = "Live video: channels, addresses, live sessions, recordings, events."),
    paths(
        channels::create, channels::list, channels::read, channels::change, channels::rotate_key, channels::remove,
        urls::urls, watermark::preview, live::online, live::session, live::disconnect, recordings::list, recordings::remove,
        usage::usage, platform::stream_dns, platform::put_stream_dns, platform::events, platform::healthz, platform::readyz,
        platform::metrics, session::sign_in, session::current, session::sign_out,
    ),
    security(("token" = []), ("session" = [])),
    modifiers(&Token),
)]
struct Description;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The token that the platform printed on its first start.",
            ))
            .build();
        if let Some(components) = openapi.components.as_mut() {
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
            let session = ApiKeyValue::with_description(
                "lsv-<hex>",
                "The cookie of a browser that signed in at /console/session. Calls other than GET and HEAD need the header \
                 `X-CSRF-Token` as well.",
            );
            let session = SecurityScheme::ApiKey(ApiKey::Cookie(session));
            components.add_security_scheme("session", session);
        }
    }
}

/// A channel as the API answers it.
pub(super) struct Channel;

impl PartialSchema for Channel {
    fn schema() -> RefOr<Schema> {
        let mut object = settings(ObjectBuilder::new().property("id", id()));
        for (name, schema, about) in [
            (
                "key",
                text(),
                "The push key: `<exp>-<signature>`. Keep it secret.",
            ),
            ("createdAt", time(), "When the channel was made."),
            ("updatedAt", time(), "When it was last changed."),
        ] {
            let schema = schema.description(Some(about)).read_only(Some(true));
            object = object.property(name, schema).required(name);
        }
        for field in FIELDS {
            object = object.required(field.name);
        }
        object.required("id").into()
    }
}

impl ToSchema for Channel {
    fn name() -> Cow<'static, str> {
        "Channel".into()
    }
}

/// What can be given of a channel.
pub(super) struct ChannelInput;

impl PartialSchema for ChannelInput {
    fn schema() -> RefOr<Schema> {
        settings(ObjectBuilder::new().property("id", id())).into()
    }
}

impl ToSchema for ChannelInput {}

fn settings(object: ObjectBuilder) -> ObjectBuilder {
    let defaults = Settings::new(Moment::EPOCH);
    FIELDS.iter().fold(object, |object, field| {
        object.property(field.name, property(field, &defaults))
    })
}

fn property(field: &Field, defaults: &Settings) -> ObjectBuilder {
    let about = format!("{} Accepts {}.", field.about(), field.kind.accepts());
    let property = match field.kind {
        Kind::Flag => of(Type::Boolean),
        Kind::Whole { min, max } => of(Type::Integer).minimum(Some(min)).maximum(Some(max)),
        Kind::Text { max_chars } => text().max_length(Some(max_chars)),
        Kind::Word(words) => text().enum_values(Some(words.iter().copied())),
        // The default lies a year after the channel is made.
        Kind::Time => return time().description(Some(about)),
        Kind::Color | Kind::Address(_) | Kind::Addresses(_) | Kind::Hosts | Kind::Networks => {
            text()
        }
    };
    property
        .description(Some(about))
        .default(Some(field.read(defaults)))
}

fn id() -> ObjectBuilder {
    text()
        .description(Some(
            "The name of the channel in addresses; made if it is left out.",
        ))
        .pattern(Some(format!("^[A-Za-z0-9_-]{{1,{MAX_ID_CHARS}}}$")))
}

fn text() -> ObjectBuilder {
    of(Type::String)
}

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

fn time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}
