//! Items: maps of named values, written and read with a word on what is missing.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use raincell_aws::dynamodb::primitives::Blob;
use raincell_aws::dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::Place;
use crate::StoreError;

/// As the SDK has it.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The stamp of the write that an item comes from; changes with each write.
pub(super) const STAMP: &str = "w";
/// Seconds since 1970 after which DynamoDB may delete an item.
pub(super) const TIME_TO_LIVE: &str = "ttl";
const EXPIRED_AT: &str = "expired_at";

/// One item.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item(pub(super) Attributes);

impl Item {
    pub(super) fn at(place: Place) -> Self {
        Self(HashMap::new()).text("pk", place.pk).text("sk", place.sk)
    }

    /// The same at another place.
    pub(super) fn moved_to(self, place: Place) -> Self {
        self.text("pk", place.pk).text("sk", place.sk)
    }

    pub(super) fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::S(value.into()));
        self
    }

    pub(super) fn number(mut self, name: &str, value: impl ToString + Copy) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        self
    }

    pub(super) fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::B(Blob::new(value)));
        self
    }

    pub(super) fn numbers(mut self, name: &str, values: &[usize]) -> Self {
        let values = values.iter().map(|value| AttributeValue::N(value.to_string())).collect();
        self.0.insert(name.to_owned(), AttributeValue::L(values));
        self
    }

    pub(super) fn time(self, name: &str, time: Timestamp) -> Self {
        self.number(name, time.as_microsecond())
    }

    pub(super) fn json(self, name: &str, value: &impl Serialize) -> Result<Self, StoreError> {
        let json = serde_json::to_string(value)
            .map_err(|source| StoreError::Backend { doing: "write JSON", source: source.into() })?;
        Ok(self.text(name, json))
    }

    pub(super) fn optional_text(self, name: &str, value: Option<&String>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.without(name),
        }
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// Invisible from now on.
    pub(super) fn hidden(self, now: Timestamp) -> Self {
        self.time(EXPIRED_AT, now)
    }

    pub(super) fn visible(self) -> Self {
        self.without(EXPIRED_AT)
    }

    pub(super) fn place(&self) -> Result<Place, StoreError> {
        Ok(Place::new(self.get_text("pk")?, self.get_text("sk")?))
    }

    pub(super) fn is_at(&self, place: &Place) -> bool {
        self.get_text("pk").is_ok_and(|pk| pk == place.pk) && self.get_text("sk").is_ok_and(|sk| sk == place.sk)
    }

    pub(super) fn get_text(&self, name: &'static str) -> Result<&str, StoreError> {
        self.0.get(name).and_then(|v| v.as_s().ok()).map(String::as_str).ok_or_else(|| self.lacks(name, "text"))
    }

    pub(super) fn get_optional_text(&self, name: &'static str) -> Option<&str> {
        self.get_text(name).ok()
    }

    pub(super) fn get_number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        let text = self.0.get(name).and_then(|v| v.as_n().ok());
        text.and_then(|text| text.parse().ok()).ok_or_else(|| self.lacks(name, "a number"))
    }

    pub(super) fn get_numbers(&self, name: &'static str) -> Result<Vec<usize>, StoreError> {
        let list = self.0.get(name).and_then(|v| v.as_l().ok());
        let numbers = list.and_then(|l| l.iter().map(|v| v.as_n().ok()?.parse().ok()).collect());
        numbers.ok_or_else(|| self.lacks(name, "a list of numbers"))
    }

    pub(super) fn get_bytes(&self, name: &'static str) -> Option<&[u8]> {
        self.0.get(name).and_then(|v| v.as_b().ok()).map(AsRef::as_ref)
    }

    /// Takes the bytes out without copying them.
    pub(super) fn take_bytes(&mut self, name: &'static str) -> Result<Bytes, StoreError> {
        match self.0.remove(name) {
            Some(AttributeValue::B(blob)) => Ok(blob.into_inner().into()),
            _ => Err(self.lacks(name, "bytes")),
        }
    }

    pub(super) fn get_time(&self, name: &'static str) -> Result<Timestamp, StoreError> {
        let microseconds = self.get_number(name)?;
        Timestamp::from_microsecond(microseconds).map_err(|_| self.lacks(name, "microseconds within -9999 to 9999"))
    }

    pub(super) fn get_json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(self.get_text(name)?).map_err(|error| StoreError::Corrupt {
            what: format!("{name} of item {}", self.name()),
            expected: "its JSON shape".into(),
            found: error.to_string(),
        })
    }

    pub(super) fn stamp(&self) -> Result<&str, StoreError> {
        self.get_text(STAMP)
    }

    /// When it was hidden, if it was.
    pub(super) fn expired_at(&self) -> Option<Timestamp> {
        self.get_time(EXPIRED_AT).ok()
    }

    pub(super) fn is_visible(&self) -> bool {
        !self.0.contains_key(EXPIRED_AT)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.get_optional_text("pk").unwrap_or("?"), self.get_optional_text("sk").unwrap_or("?"))
    }

    fn lacks(&self, name: &str, expected: &str) -> StoreError {
        let found = self.0.get(name).map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
        StoreError::Corrupt { what: format!("{name} of item {}", self.name()), expected: expected.to_owned(), found }
    }
}
