//! What can be asked for of a place and an instant.

use serde_json::{Value, json};

use crate::memory::{HeldFrame, SourceView};
use crate::products::{PERCENTILES, PROBABILITIES, Products};

/// Where the values of a parameter come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Observed frames, and steps of the nowcast.
    Rate,
    /// A product of the nowcast's ensemble.
    Product(&'static str),
}

/// One quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As it is named in requests and answers.
    pub id: &'static str,
    label: &'static str,
    origin: Origin,
}

/// All of them.
const PARAMETERS: [Parameter; 7] = [
    Parameter { id: "rain-rate", label: "Rain rate", origin: Origin::Rate },
    Parameter::of_product("rain-rate-p10", "Rain rate, 10th percentile of the forecast", PERCENTILES[0]),
    Parameter::of_product("rain-rate-p50", "Rain rate, median of the forecast", PERCENTILES[1]),
    Parameter::of_product("rain-rate-p90", "Rain rate, 90th percentile of the forecast", PERCENTILES[2]),
    Parameter::of_product("probability-0.1", "Probability of at least 0.1 mm/h", PROBABILITIES[0]),
    Parameter::of_product("probability-1", "Probability of at least 1 mm/h", PROBABILITIES[1]),
    Parameter::of_product("probability-5", "Probability of at least 5 mm/h", PROBABILITIES[2]),
];

impl Parameter {
    const fn of_product(id: &'static str, label: &'static str, product: &'static str) -> Self {
        Self { id, label, origin: Origin::Product(product) }
    }

    /// Those that a source has: of an ensemble only where its newest run has them.
    pub fn all_of(view: &SourceView) -> Vec<Self> {
        let products = view.run().map(|run| run.products()).unwrap_or_default();
        let has = |parameter: &Self| match parameter.origin {
            Origin::Rate => true,
            Origin::Product(name) => products.has(name),
        };
        PARAMETERS.into_iter().filter(has).collect()
    }

    /// Its value in a cell of a frame, rounded to what it is worth; `None` where unknown, and of an ensemble's product
    /// in what was observed.
    pub fn value(&self, frame: &HeldFrame, products: &Products, cell: (usize, usize)) -> Option<f32> {
        let value = match self.origin {
            Origin::Rate => frame.field.rate_mm_h.get(cell).copied().filter(|rate| !rate.is_nan()),
            Origin::Product(name) => frame.issue_time.and_then(|_| products.at(name, frame.valid_time(), cell)),
        };
        value.map(|value| (value * 1000.0).round() / 1000.0)
    }

    /// What it is, as `CoverageJSON` tells it: texts by language.
    pub fn in_coverage(&self) -> Value {
        self.described(|text| json!({ "en": text }))
    }

    /// What it is, as the metadata of a collection tell it.
    pub fn in_collection(&self) -> Value {
        self.described(Value::from)
    }

    fn described(&self, text: impl Fn(&'static str) -> Value) -> Value {
        let is_rate = !self.id.starts_with("probability");
        let (unit, symbol) = if is_rate { ("millimetres an hour", "mm/h") } else { ("fraction", "1") };
        let mut property = json!({ "label": text(self.label) });
        if is_rate {
            // The name of the CF conventions.
            property["id"] = "http://vocab.nerc.ac.uk/standard_name/rainfall_rate/".into();
        }
        json!({
            "type": "Parameter",
            "id": self.id,
            "description": text(self.label),
            "unit": {
                "label": text(unit),
                "symbol": { "value": symbol, "type": "http://www.opengis.net/def/uom/UCUM/" },
            },
            "observedProperty": property,
        })
    }
}
