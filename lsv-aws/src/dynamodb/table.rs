//! A table, and how its calls begin.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lsv_core::ports::{Error, Result};

use super::Item;
use crate::error;

/// A table whose key is one text. Clones share its connections.
#[derive(Clone, Debug)]
pub(super) struct Table {
    client: Client,
    name: Arc<str>,
    key: &'static str,
}

impl Table {
    pub(super) fn new(sdk: &SdkConfig, name: &str, key: &'static str) -> Self {
        Self {
            client: Client::new(sdk),
            name: name.into(),
            key,
        }
    }

    /// The item of that key as it is now.
    pub(super) async fn item(&self, key: &str) -> Result<Option<Item>> {
        let asked = self
            .client
            .get_item()
            .table_name(&*self.name)
            .key(self.key, text(key))
            .consistent_read(true);
        let answer = asked.send().await.map_err(|error| self.failed(&error))?;
        Ok(answer.item)
    }

    /// Some of all items, and behind which key it goes on, if it does.
    pub(super) async fn part(&self, start: Option<Item>) -> Result<(Vec<Item>, Option<Item>)> {
        let asked = self
            .client
            .scan()
            .table_name(&*self.name)
            .consistent_read(true)
            .set_exclusive_start_key(start);
        let part = asked.send().await.map_err(|error| self.failed(&error))?;
        Ok((part.items.unwrap_or_default(), part.last_evaluated_key))
    }

    pub(super) fn put(&self, key: &str) -> PutItemFluentBuilder {
        let put = self.client.put_item().table_name(&*self.name);
        put.item(self.key, text(key))
    }

    pub(super) fn update(&self, key: &str) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&*self.name);
        update.key(self.key, text(key))
    }

    pub(super) fn delete(&self, key: &str) -> DeleteItemFluentBuilder {
        let delete = self.client.delete_item().table_name(&*self.name);
        delete.key(self.key, text(key))
    }

    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        error::failed(&self.to_string(), error)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table {}", self.name)
    }
}

/// Whether a call was refused as its condition did not hold.
pub(super) fn is_unmet<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error::code(error) == "ConditionalCheckFailedException"
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
