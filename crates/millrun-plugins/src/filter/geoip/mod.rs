//! The `geoip` filter: adds where an address is, from a database in MaxMind's format.
//!
//! ```text
//! <filter access.**>
//!   @type geoip
//!   geoip_lookup_keys host
//!   geoip2_database /usr/share/GeoIP/GeoLite2-City.mmdb
//!   <record>
//!     city    ${city.names.en["host"]}
//!     country ${country.iso_code["host"]}
//!     point   '[${location.longitude["host"]},${location.latitude["host"]}]'
//!   </record>
//!   skip_adding_null_record true
//! </filter>
//! ```
//! What the database does not know is null. With `skip_adding_null_record` an event stays as it is where the first
//! placeholder of the first field is null. A field of the record that is named in `<record>` is replaced in its place.
//! `<inject>` adds fields behind all that. No database comes with this program, and the legacy format (`.dat`) is not read.

mod template;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Diagnostic, Element, parameters, words};
use millrun_core::{Assembly, Batch, Filter, PluginId, Report, lookup};
use millrun_event::{EventBuffer, Record, write};
use millrun_geoip::{Answers, Database, Path};
use millrun_pattern::{Accessor, Segment};

use self::template::{Placeholder, Template};
use super::each_record::each_record;
use crate::formatter::{Injection, LastTime};

words! {
    /// What placeholders are called.
    pub enum BackendLibrary {
        /// By their path in the database.
        Geoip2C = "geoip2_c",
        /// As the legacy database called them: city, latitude, longitude, country_code, country_name, postal_code,
        /// region, region_name.
        Geoip2Compat = "geoip2_compat",
        /// The legacy database, which is not read.
        Geoip = "geoip",
    }
}

parameters! {
    /// Adds where an address is.
    pub struct GeoipParameters in "filter", type "geoip" {
        /// The fields that hold addresses: names, or paths like `$.client.ip`.
        geoip_lookup_keys: Vec<String> = "host";
        /// The same, as it was called before.
        geoip_lookup_key: Option<Vec<String>>;
        /// The database in MaxMind's format (`.mmdb`).
        geoip2_database: Option<PathBuf>;
        /// A database of the legacy format, which is not read.
        geoip_database: Option<PathBuf>;
        /// What placeholders are called.
        backend_library: BackendLibrary = "geoip2_c";
        /// Events stay as they are of which the first placeholder is null.
        skip_adding_null_record: bool = "false";
    }
    sections {
        /// Names and values of fields.
        record: Vec<Element>, required;
        /// Further fields, behind those.
        inject: Option<Element>;
    }
    legacy { Inject }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = GeoipParameters::read(element, assembly.diagnostics)?;
    let mut refuse = |text: String, name: &str, label: &str, hint: &str| {
        let fault = Diagnostic::error(text).at(element.span_of(name), label);
        assembly.diagnostics.push(fault.hint(hint));
    };
    if parameters.backend_library == BackendLibrary::Geoip {
        let hint = "use geoip2_database with a file like GeoLite2-City.mmdb, and geoip2_compat for the old names";
        let text = "the legacy databases of backend_library geoip are not read";
        refuse(text.to_owned(), "backend_library", "asked for here", hint);
        return None;
    }
    let Some(path) = &parameters.geoip2_database else {
        let hint = "write a line like: geoip2_database /usr/share/GeoIP/GeoLite2-City.mmdb";
        let text = "geoip2_database is missing, and no database comes with this program";
        refuse(text.to_owned(), "@type", "of this filter", hint);
        return None;
    };
    let database = match Database::open(path) {
        Ok(database) => database,
        Err(error) => {
            let hint = "name a database that this user may read";
            refuse(error.to_string(), "geoip2_database", "this file", hint);
            return None;
        }
    };
    let keys = parameters
        .geoip_lookup_key
        .unwrap_or(parameters.geoip_lookup_keys);
    let mut lookups = Vec::new();
    for key in &keys {
        match Accessor::parse(key) {
            Ok(accessor) => lookups.push(Lookup {
                key: key.clone(),
                accessor: accessor.segments().to_vec(),
                paths: Vec::new(),
            }),
            Err(error) => {
                refuse(
                    error.to_string(),
                    "geoip_lookup_keys",
                    "in this list",
                    "name fields",
                );
                return None;
            }
        }
    }
    let is_compatible = parameters.backend_library == BackendLibrary::Geoip2Compat;
    let mut slots = Vec::new();
    let mut fields = Vec::new();
    let mut is_sound = true;
    for entry in parameters.record.iter().flat_map(Element::parameters) {
        let text = entry.value.as_text().unwrap_or_default();
        let template = Template::compile(text, |placeholder| {
            number(placeholder, is_compatible, &mut lookups, &mut slots)
        });
        match template {
            Ok(template) => {
                let mut key = Vec::new();
                write::str(&mut key, entry.name.as_bytes());
                fields.push(Field {
                    name: entry.name.clone().into_bytes(),
                    key,
                    template,
                });
            }
            Err(error) => {
                let fault = Diagnostic::error(error).at(entry.value.span, "in this value");
                assembly.diagnostics.push(fault);
                is_sound = false;
            }
        }
    }
    let injection = Injection::of(element, assembly)?;
    let first = fields.iter().find_map(|field| field.template.first());
    is_sound.then(|| {
        Arc::new(Geoip {
            id: id.text.clone(),
            database,
            lookups,
            slots,
            fields,
            injection,
            deciding: first.filter(|_| parameters.skip_adding_null_record),
            workspaces: Mutex::default(),
        }) as Arc<dyn Filter>
    })
}

/// Where a placeholder's value will be: the same for equal placeholders.
fn number(
    placeholder: Placeholder<'_>,
    is_compatible: bool,
    lookups: &mut [Lookup],
    slots: &mut Vec<(usize, usize)>,
) -> Result<usize, String> {
    let path = match is_compatible {
        false => placeholder.path,
        true => compatible(placeholder.path)
            .ok_or_else(|| format!("geoip2_compat has no `{}`", placeholder.path))?,
    };
    let path = Path::parse(path);
    let known: Vec<_> = lookups.iter().map(|lookup| lookup.key.clone()).collect();
    let found = lookups.iter_mut().enumerate();
    let Some((at, lookup)) = found
        .into_iter()
        .find(|(_, lookup)| lookup.key == placeholder.key)
    else {
        let (key, known) = (placeholder.key, known.join(", "));
        return Err(format!("`{key}` is none of geoip_lookup_keys ({known})"));
    };
    let slot = (at, lookup.path(path));
    Ok(slots
        .iter()
        .position(|known| *known == slot)
        .unwrap_or_else(|| {
            slots.push(slot);
            slots.len() - 1
        }))
}

/// Where the names of the legacy database lead.
fn compatible(name: &str) -> Option<&'static str> {
    Some(match name {
        "city" => "city.names.en",
        "latitude" => "location.latitude",
        "longitude" => "location.longitude",
        "country_code" => "country.iso_code",
        "country_name" => "country.names.en",
        "postal_code" => "postal.code",
        "region" => "subdivisions.0.iso_code",
        "region_name" => "subdivisions.0.names.en",
        _ => return None,
    })
}

struct Geoip {
    id: Arc<str>,
    database: Database,
    lookups: Vec<Lookup>,
    /// Of each placeholder: which lookup, and which of its paths.
    slots: Vec<(usize, usize)>,
    fields: Vec<Field>,
    injection: Option<Injection>,
    /// The placeholder that must not be null.
    deciding: Option<usize>,
    /// One for each thread that is at work here.
    workspaces: Mutex<Vec<Workspace>>,
}

/// A field with an address, and what is asked about it.
struct Lookup {
    key: String,
    accessor: Vec<Segment>,
    paths: Vec<Path>,
}

impl Lookup {
    /// The number of a path, which is added where it is new.
    fn path(&mut self, path: Path) -> usize {
        let known = self.paths.iter().position(|known| *known == path);
        known.unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        })
    }
}

struct Field {
    name: Vec<u8>,
    /// The name as msgpack.
    key: Vec<u8>,
    template: Template,
}

#[derive(Default)]
struct Workspace {
    /// By lookup.
    answers: Vec<Answers>,
    /// What placeholders stand for, one after the other, and where each ends.
    values: Vec<u8>,
    ends: Vec<usize>,
    scratch: Vec<u8>,
    /// A record to which more is to be added, and the last time that was.
    located: Vec<u8>,
    last: LastTime,
}

impl Workspace {
    fn value(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)?;
        let start = number
            .checked_sub(1)
            .map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.values
            .get(start..end)
            .filter(|value| !value.is_empty())
    }
}

impl Filter for Geoip {
    fn is_costly(&self) -> bool {
        true
    }

    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = lock().pop();
        let mut workspace = known.unwrap_or_default();
        workspace
            .answers
            .resize_with(self.lookups.len(), Answers::default);
        let tag = batch.tag;
        each_record(&self.id, batch, out, report, |time, record, out| {
            let Some(injection) = &self.injection else {
                return self.write(record, &mut workspace, out);
            };
            let mut located = std::mem::take(&mut workspace.located);
            located.clear();
            self.write(record, &mut workspace, &mut located);
            let (start, last) = (out.len(), &mut workspace.last);
            let record = Record::new(&located);
            // The record was written here: it is sound.
            if injection.write(tag, time, record, last, out).is_err() {
                out.truncate(start);
                out.extend_from_slice(&located);
            }
            workspace.located = located;
        });
        lock().push(workspace);
    }
}

impl Geoip {
    fn write(&self, record: Record<'_>, workspace: &mut Workspace, out: &mut Vec<u8>) {
        self.look_up(record, workspace);
        let is_unknown = |number| workspace.value(number).is_none();
        let Ok(pairs) = record.fields() else {
            return out.extend_from_slice(record.bytes());
        };
        if self.deciding.is_some_and(is_unknown) {
            return out.extend_from_slice(record.bytes());
        }
        let is_new = |field: &&Field| record.field(&field.name).is_none();
        let count = pairs.clone().flatten().count() + self.fields.iter().filter(is_new).count();
        write::map(out, u32::try_from(count).unwrap_or(u32::MAX));
        let mut scratch = std::mem::take(&mut workspace.scratch);
        let found = |number: usize| workspace.value(number);
        for (key, value) in pairs.flatten() {
            out.extend_from_slice(key.bytes());
            let named = |field: &&Field| key.text() == Some(field.name.as_slice());
            match self.fields.iter().find(named) {
                Some(field) => field.template.write(found, &mut scratch, out),
                None => out.extend_from_slice(value.bytes()),
            }
        }
        for field in self.fields.iter().filter(is_new) {
            out.extend_from_slice(&field.key);
            field.template.write(found, &mut scratch, out);
        }
        workspace.scratch = scratch;
    }

    /// Leaves what the placeholders stand for in the workspace.
    fn look_up(&self, record: Record<'_>, workspace: &mut Workspace) {
        let Workspace {
            answers,
            values,
            ends,
            ..
        } = workspace;
        values.clear();
        ends.clear();
        for (number, (at, path)) in self.slots.iter().enumerate() {
            let (Some(lookup_), Some(answers)) = (self.lookups.get(*at), answers.get_mut(*at))
            else {
                continue;
            };
            debug_assert_eq!(ends.len(), number);
            let address = lookup(record.bytes(), &lookup_.accessor)
                .and_then(|value| std::str::from_utf8(value.text()?).ok()?.trim().parse().ok());
            let answer = match address {
                Some(address) => answers.of(&self.database, &lookup_.paths, unmapped(address)),
                None => answers.none(),
            };
            values.extend_from_slice(answer.get(*path).unwrap_or_default());
            ends.push(values.len());
        }
    }
}

/// An IPv4 address also where it is written as one of IPv6.
fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
