//! Settings by name: out of a file in TOML, YAML or Java's properties, one flat list of dotted names.
//!
//! Must not know: what a name means. Invariants: a name is there once; a later value wins; no value is ever logged.

use std::collections::BTreeMap;
use std::path::Path;

/// Names whose values are names of environment variables, by Pinot's convention.
const FROM_ENVIRONMENT: &str = "dynamic.env.config";

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings file `{path}`: {source}")]
    Read {
        /// File.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not in the form that its name promises.
    #[error("the settings file `{path}` is no valid {form}: {why}")]
    Form {
        /// File.
        path: String,
        /// TOML or YAML.
        form: &'static str,
        /// What the parser said.
        why: String,
    },
    /// A value that a setting cannot have.
    #[error("setting `{name}`: {why}")]
    Value {
        /// Name.
        name: String,
        /// What was expected; never the value of a secret.
        why: String,
    },
}

/// Settings by dotted name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl std::fmt::Debug for Settings {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Settings {
    /// Reads a file; its ending tells the form: `.toml`, `.yaml`, `.yml`, and properties for everything else.
    ///
    /// # Errors
    /// Where it cannot be read, or not in that form.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: name(),
            source,
        })?;
        let refused = |form, why| SettingsError::Form {
            path: name(),
            form,
            why,
        };
        let mut settings = Self::default();
        match path.extension().and_then(|e| e.to_str()) {
            Some("toml") => {
                let value: toml::Value =
                    toml::from_str(&text).map_err(|e| refused("TOML", e.to_string()))?;
                let json =
                    serde_json::to_value(value).map_err(|e| refused("TOML", e.to_string()))?;
                settings.flatten("", &json);
            }
            Some("yaml" | "yml") => {
                let json =
                    serde_yaml_ng::from_str(&text).map_err(|e| refused("YAML", e.to_string()))?;
                settings.flatten("", &json);
            }
            _ => settings.properties(&text),
        }
        settings.read_environment(|variable| std::env::var(variable).ok());
        Ok(settings)
    }

    /// Sets a value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Takes over every value of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A value that is not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|v| v.trim()).filter(|v| !v.is_empty())
    }

    /// The first of several names that has a value.
    #[must_use]
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// A number under the first of several names that has a value.
    ///
    /// # Errors
    /// Where it is none.
    pub fn number<N: std::str::FromStr>(&self, names: &[&str]) -> Result<Option<N>, SettingsError> {
        let Some((name, text)) = names.iter().find_map(|n| Some((n, self.get(n)?))) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| SettingsError::Value {
            name: (*name).to_owned(),
            why: format!("`{text}` is not a number of the expected size"),
        })
    }

    /// A list with commas between.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.get(name).unwrap_or_default();
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    /// Names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn flatten(&mut self, prefix: &str, json: &serde_json::Value) {
        use serde_json::Value as Json;
        match json {
            Json::Object(map) => {
                for (name, value) in map {
                    let name = if prefix.is_empty() {
                        name.clone()
                    } else {
                        format!("{prefix}.{name}")
                    };
                    self.flatten(&name, value);
                }
            }
            Json::Null => {}
            Json::String(text) => self.set(prefix, text.clone()),
            Json::Array(items) => {
                let texts: Vec<String> = items
                    .iter()
                    .map(|item| {
                        item.as_str()
                            .map_or_else(|| item.to_string(), str::to_owned)
                    })
                    .collect();
                self.set(prefix, texts.join(","));
            }
            other => self.set(prefix, other.to_string()),
        }
    }

    /// Java's properties: `name=value`, `name: value` or `name value`; `#` and `!` begin comments, a backslash at the end goes on.
    fn properties(&mut self, text: &str) {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.trim().to_owned();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            while line.ends_with('\\') {
                line.pop();
                line.push_str(lines.next().unwrap_or_default().trim());
            }
            let at = line.find(['=', ':', ' ', '\t']).unwrap_or(line.len());
            let (name, rest) = line.split_at(at);
            let rest = rest.trim_start();
            let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
            self.set(name, value);
        }
    }

    /// Puts the value of the environment variable that a setting names in its place, where `dynamic.env.config` lists the setting.
    fn read_environment(&mut self, variable: impl Fn(&str) -> Option<String>) {
        for name in self.list(FROM_ENVIRONMENT) {
            if let Some(value) = self.get(&name).and_then(&variable) {
                self.set(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn written(name: &str, text: &str) -> Result<Settings, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(Settings::read(&path)?)
    }

    #[test]
    fn three_forms_say_the_same() -> Result<(), Box<dyn std::error::Error>> {
        let toml = written(
            "a.toml",
            "controller-port = 9001\n[pinot.server.netty]\nport = 8000\n",
        )?;
        let yaml = written(
            "a.yaml",
            "controller-port: 9001\npinot:\n  server.netty.port: 8000\n",
        )?;
        let conf = written(
            "a.conf",
            "# ports\ncontroller-port=9001\npinot.server.netty.port : 8000\n",
        )?;
        assert_eq!(toml, yaml);
        assert_eq!(toml, conf);
        assert_eq!(conf.number::<u16>(&["x", "controller-port"])?, Some(9001));
        Ok(())
    }

    #[test]
    fn values_may_come_from_the_environment() {
        let mut settings = Settings::default();
        settings.properties("a.b=VARIABLE\nc=VARIABLE\ndynamic.env.config=a.b\nlong=1,\\\n  2");
        settings.read_environment(|name| (name == "VARIABLE").then(|| "seen".to_owned()));
        assert_eq!(settings.get("a.b"), Some("seen"));
        assert_eq!(settings.get("c"), Some("VARIABLE"));
        assert_eq!(settings.list("long"), ["1", "2"]);
    }

    #[test]
    fn values_are_not_shown() {
        let mut settings = Settings::default();
        settings.set("password", "hidden");
        assert!(!format!("{settings:?}").contains("hidden"));
        assert!(written("a.toml", "a = [").is_err());
    }
}
