//! The application's own part of a configuration.

use super::json;
use super::node::{Node, Value};

/// What the application itself is to know: the keys of a configuration that are not the engine's.
///
/// They travel with the configuration: to the server, and to workers of every type, those that run
/// included, with each reload. With the features `yaml`, `toml` or `json` they become a type of yours by
/// `Application::read`.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    root: Node,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            root: Node::map([]),
        }
    }
}

impl Application {
    #[cfg(feature = "files")]
    pub(super) fn of(root: Node) -> Self {
        Self { root }
    }

    /// Reads what [`Application::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// The text is no JSON, or no object.
    pub fn from_json(text: &str) -> Result<Self, super::ConfigError> {
        let problem = |place, message: String| {
            super::problem::Problems::default()
                .and(place, message)
                .into_error()
        };
        let root = json::parse(text).map_err(|error| problem(error.place, error.message))?;
        match root.value {
            Value::Map(_) => Ok(Self { root }),
            ref other => {
                let message = format!("expected an object, found {other}");
                Err(problem(root.place, message))
            }
        }
    }

    /// Returns whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root == Node::map([])
    }

    /// Writes it as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::write(&self.root)
    }

    #[cfg(feature = "files")]
    pub(super) fn root(&self) -> &Node {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_went() {
        let text = r#"{"a":[1,2.5],"b":{"c":null}}"#;
        let application = Application::from_json(text).unwrap();
        assert!(!application.is_empty());
        assert_eq!(application.to_json(), text);
        assert!(Application::default().is_empty());
        assert_eq!(
            Application::from_json("[]").unwrap_err().to_string(),
            "1:1: expected an object, found a list"
        );
    }
}
