//! What a project stores of the outputs besides the values of their parameters.

use crate::osc::OscSettings;
use crate::routing::Routing;
use serde::{Deserialize, Serialize};

/// The configuration of the outputs: what is not a parameter of the plug-in, because it is text or names tags.
/// The values of the parameters are [`OutputParams`](crate::OutputParams).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputConfig {
    /// Which tags drive which slot, and which ones the host sees.
    #[serde(flatten)]
    pub routing: Routing,
    /// The OSC output.
    pub osc: OscSettings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_stores_the_routing_and_osc_side_by_side() {
        let text = r#"{"sources":[{"tags":["rock","pop"],"how":"mean"},{"tags":[],"how":"maximum"}"#.to_owned()
            + &r#",{"tags":[],"how":"maximum"}"#.repeat(6)
            + r#"],"published":["pop"],"osc":{"on":true,"address":"10.0.0.7:9000","instance":"lead","#
            + r#""pattern":"/tagvane/{instance}/{kind}/{name}","bundles":true}}"#;
        let config: OutputConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(config.routing.sources[0].tags, ["rock", "pop"]);
        assert_eq!((&config.routing.published[..], config.osc.on), (&["pop".to_owned()][..], true));
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
        assert_eq!(serde_json::from_str::<OutputConfig>("{}").unwrap(), OutputConfig::default());
        for damaged in
            ["[]", r#"{"sources":5}"#, r#"{"sources":[]}"#, r#"{"published":[1]}"#, r#"{"osc":{"on":"yes"}}"#]
        {
            assert!(serde_json::from_str::<OutputConfig>(damaged).is_err(), "{damaged}");
        }
    }
}
