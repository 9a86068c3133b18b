//! How the predictions of several teachers become one label: weights by teacher and tag, and classes of one vocabulary
//! that count for tags of another.

use crate::data::vocabularies;
use crate::data::{Cache, Labels};
use crate::error::{Result, TrainerError};
use crate::evaluation::{PlattScaling, logit};
use crate::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use tagvane_engine::VOCABULARY_SEPARATOR;

/// Weights of teachers and shared classes, read from a TOML file. The default has all teachers count alike, and shares
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// The teachers whose weight is not 1.
    #[serde(default, rename = "teacher", skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<TeacherWeight>,
    /// The classes that count for tags of other vocabularies.
    #[serde(default, rename = "shared", skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedClass>,
}

/// The weight of a teacher among those of its vocabulary.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherWeight {
    /// Its file name without the extension.
    pub name: String,
    /// In the mean of its vocabulary's teachers, at least 0.
    #[serde(default = "one")]
    pub weight: f32,
    /// Scales its logits, for a teacher whose probabilities are small where others' are not.
    #[serde(default = "no_scaling", skip_serializing_if = "is_no_scaling")]
    pub scaling: PlattScaling,
    /// Other weights, by tag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, f32>,
}

fn one() -> f32 {
    1.0
}

fn no_scaling() -> PlattScaling {
    PlattScaling::IDENTITY
}

fn is_no_scaling(scaling: &PlattScaling) -> bool {
    *scaling == PlattScaling::IDENTITY
}

/// A class of one vocabulary that means the same as a tag of another.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SharedClass {
    /// The class with its vocabulary, such as `AudioSet Music: violin`.
    pub class: String,
    /// The tag with its vocabulary, such as `MagnaTagATune 50: violin`.
    pub tag: String,
    /// In the mean with the tag's own teachers, which have 1 together; above 0.
    pub weight: f32,
    /// Scales the class's logit to probabilities as the tag's own teachers give them.
    #[serde(flatten)]
    pub scaling: PlattScaling,
}

impl TeacherWeight {
    /// The weight for each of `tags`, which are without their vocabulary's name.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where it has a weight for a tag that is not there.
    pub(super) fn weights(&self, tags: &[String]) -> Result<Vec<f32>> {
        if let Some(unknown) = self.tags.keys().find(|tag| !tags.contains(tag)) {
            let name = &self.name;
            let what =
                format!("the ensemble has a weight of {name} for {unknown}, which is no tag of it; correct the name");
            return Err(TrainerError::Request(what));
        }
        Ok(tags.iter().map(|tag| self.tags.get(tag).copied().unwrap_or(self.weight)).collect())
    }
}

impl SharedClass {
    /// The positions of the class and of the tag in `tags`, which joins several vocabularies; `None` where the vocabulary of
    /// one of them is not there.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where a vocabulary is there and has no such tag.
    fn find(&self, tags: &[String]) -> Result<Option<(usize, usize)>> {
        let find = |name: &str| -> Result<Option<usize>> {
            let found = tags.iter().position(|tag| tag == name);
            let vocabulary = name.split_once(VOCABULARY_SEPARATOR).map_or(name, |(name, _)| name);
            if found.is_none() && vocabularies::find(tags, vocabulary).is_some() {
                let what = format!("the ensemble names {name}, which is no tag of the teachers; correct the name");
                return Err(TrainerError::Request(what));
            }
            Ok(found)
        };
        Ok(find(&self.class)?.zip(find(&self.tag)?))
    }
}

impl Ensemble {
    /// Reads an ensemble.
    ///
    /// # Errors
    /// [`TrainerError`] where the file cannot be read, has another format, or has a weight or scale that is not possible.
    pub fn read(path: &Path) -> Result<Self> {
        let ensemble: Self = files::read_toml(path, &[])?;
        ensemble.check().map_err(|what| TrainerError::content(path, what))?;
        Ok(ensemble)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let is_scaling =
            |scaling: &PlattScaling| scaling.scale > 0.0 && scaling.scale.is_finite() && scaling.offset.is_finite();
        for (index, TeacherWeight { name, weight, scaling, tags }) in self.teachers.iter().enumerate() {
            if self.teachers[..index].iter().any(|other| other.name == *name) {
                return Err(format!("the teacher {name} is there twice; merge its entries"));
            }
            if let Some(wrong) = tags.values().chain([weight]).find(|weight| !(0.0..f32::INFINITY).contains(*weight)) {
                return Err(format!("the teacher {name} has the weight {wrong}; give a number from 0"));
            }
            if !is_scaling(scaling) {
                return Err(format!("the teacher {name} has a scale that is not above 0; correct it"));
            }
        }
        for SharedClass { class, tag, weight, scaling } in &self.shared {
            if !(*weight > 0.0 && weight.is_finite() && is_scaling(scaling)) {
                return Err(format!("{class} counts for {tag} with a weight or scale that is not above 0; correct it"));
            }
        }
        Ok(())
    }

    /// What the ensemble says of a teacher; `None` where it counts like any other.
    pub(super) fn teacher(&self, name: &str) -> Option<&TeacherWeight> {
        self.teachers.iter().find(|teacher| teacher.name == name)
    }

    /// The shared classes among `tags`, which joins several vocabularies. A class or tag of a vocabulary that is not there
    /// is left out.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where a vocabulary is there and has no such tag.
    pub(super) fn resolve(&self, tags: &[String]) -> Result<SharedClasses> {
        let mut resolved = Vec::new();
        for shared in &self.shared {
            if let Some((class, tag)) = shared.find(tags)? {
                resolved.push(Resolved { class, tag, weight: shared.weight, scaling: shared.scaling });
            }
        }
        Ok(SharedClasses(resolved))
    }

    /// Fits the scaling of each shared class to a cache, whose labels were made without sharing: the logits of the class get
    /// the mean and the standard deviation of those of its tag. A regression on the tag would not do, because it flattens
    /// the class wherever the tag's own teachers are poor. The classes of vocabularies that the cache does not have stay as
    /// they are.
    ///
    /// # Errors
    /// [`TrainerError`] where the cache has no labels of segments, or has a vocabulary without a tag that is named.
    pub fn fit(&mut self, cache: &Cache) -> Result<()> {
        let mut rows: Vec<&[f32]> = Vec::new();
        for track in (0..cache.len()).map(|index| cache.track(index)) {
            if let Labels::Segments(segments) = &track.labels {
                rows.extend(segments.iter().map(|segment| &segment.probabilities[..]));
            }
        }
        if rows.is_empty() {
            return Err(TrainerError::Request(
                "the groups of this cache have no labels of segments; give others".into(),
            ));
        }
        let tags = &cache.info.tags;
        for shared in &mut self.shared {
            if let Some((class, tag)) = shared.find(tags)? {
                let moments = |tag: usize| mean_and_deviation(rows.iter().map(|row| f64::from(logit(row[tag]))));
                let ((from, spread), (to, wanted)) = (moments(class), moments(tag));
                // A class that is always the same says nothing about its scale.
                let scale = if spread > 0.0 && wanted > 0.0 { wanted / spread } else { 1.0 };
                shared.scaling = PlattScaling { scale, offset: to - scale * from };
            }
        }
        Ok(())
    }
}

fn mean_and_deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// The shared classes of an ensemble, by their positions among the labels.
pub(super) struct SharedClasses(Vec<Resolved>);

struct Resolved {
    class: usize,
    tag: usize,
    weight: f32,
    scaling: PlattScaling,
}

impl SharedClasses {
    /// Mixes the shared classes into the labels of a segment.
    pub(super) fn apply(&self, probabilities: &mut [f32]) {
        let predicted = probabilities.to_vec();
        let mut weights = vec![1.0; predicted.len()];
        for Resolved { class, tag, weight, scaling } in &self.0 {
            probabilities[*tag] += weight * scaling.apply_to_probability(predicted[*class]);
            weights[*tag] += weight;
        }
        for (probability, weight) in probabilities.iter_mut().zip(weights) {
            *probability /= weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CacheInfo, PartWriter, Segment, Source, TrackAudio};

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn shared(class: &str, tag: &str, weight: f32) -> SharedClass {
        SharedClass { class: class.into(), tag: tag.into(), weight, scaling: PlattScaling::IDENTITY }
    }

    fn read(text: &str) -> Result<Ensemble> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ensemble.toml");
        std::fs::write(&path, text).unwrap();
        Ensemble::read(&path)
    }

    #[test]
    fn the_ensemble_of_the_corpus_names_published_teachers_and_tags() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/ensemble.toml");
        let ensemble = Ensemble::read(&path).unwrap();
        let published = crate::teachers::published::TEACHERS.iter().map(|teacher| teacher.name);
        let known: Vec<&str> = published.chain(crate::musicnn::names()).collect();
        assert!(ensemble.teachers.iter().all(|teacher| known.contains(&&*teacher.name)), "{known:?}");
        let lists = vocabularies::known();
        let tags = vocabularies::join(&lists.each_ref().map(|(_, tags)| &tags[..]));
        assert_eq!(ensemble.resolve(&tags).unwrap().0.len(), ensemble.shared.len());
        for teacher in &ensemble.teachers {
            let missing = teacher.tags.keys().find(|tag| !lists.iter().any(|(_, tags)| tags.contains(tag)));
            assert_eq!(missing, None, "{}", teacher.name);
        }
        // Printed and read again, it is the same.
        assert_eq!(read(&toml::to_string(&ensemble).unwrap()).unwrap(), ensemble);
    }

    #[test]
    fn a_shared_class_is_scaled_and_weighted_against_the_tag() {
        let tags = owned(&["A: violin", "A: rock", "B: fiddle", "B: song"]);
        let mut fiddle = shared("B: fiddle", "A: violin", 2.0);
        fiddle.scaling = PlattScaling { scale: 2.0, offset: 0.0 };
        let ensemble = Ensemble { shared: vec![fiddle, shared("C: harp", "A: rock", 1.0)], ..Default::default() };
        let mut probabilities = vec![0.3, 0.4, 0.75, 0.1];
        ensemble.resolve(&tags).unwrap().apply(&mut probabilities);
        // Odds of 3, squared, are 9.
        let expected = [(0.3 + 2.0 * 0.9) / 3.0, 0.4, 0.75, 0.1];
        assert!(
            probabilities.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6),
            "{probabilities:?}"
        );

        let wrong = Ensemble { shared: vec![shared("B: viola", "A: violin", 1.0)], ..Default::default() };
        let message = wrong.resolve(&tags).err().unwrap().to_string();
        assert!(message.contains("B: viola, which is no tag of the teachers"), "{message}");
    }

    #[test]
    fn fitting_gives_a_class_the_mean_and_deviation_of_its_tag() {
        let folder = tempfile::tempdir().unwrap();
        let info = CacheInfo::new(owned(&["A: violin", "B: fiddle", "B: nothing"]));
        let logits = [-2.0_f32, -1.0, 0.5, 1.5];
        let probability = |logit: f32| 1.0 / (1.0 + (-logit).exp());
        let segment = |(index, logit): (usize, f32)| Segment {
            start: index,
            length: 100,
            probabilities: vec![probability(0.5 * logit - 1.0), probability(logit), 0.5],
        };
        let segments = logits.into_iter().enumerate().map(segment).collect();
        let mut writer = PartWriter::open(folder.path(), &info, 1, 1).unwrap();
        let source = Source { name: "noise".into(), path: None, group: "a".into(), labels: None };
        writer.add_track(&source, TrackAudio::of(&[0.5; 200]), Labels::Segments(segments), None).unwrap();
        writer.finish().unwrap();

        let cache = Cache::open(folder.path(), |_| true).unwrap();
        let names = [("B: fiddle", "A: violin"), ("B: nothing", "A: violin"), ("C: harp", "A: violin")];
        let shared = names.map(|(class, tag)| shared(class, tag, 1.0)).to_vec();
        let mut ensemble = Ensemble { shared, ..Default::default() };
        ensemble.fit(&cache).unwrap();
        let [fiddle, nothing, harp] = [0, 1, 2].map(|index: usize| ensemble.shared[index].scaling);
        assert!((fiddle.scale - 0.5).abs() < 1e-4 && (fiddle.offset + 1.0).abs() < 1e-4, "{fiddle:?}");
        let mean = logits.iter().map(|logit| f64::from(0.5 * logit - 1.0)).sum::<f64>() / 4.0;
        assert!(nothing.scale == 1.0 && (nothing.offset - mean).abs() < 1e-4, "{nothing:?}");
        assert_eq!(harp, PlattScaling::IDENTITY);
    }

    #[test]
    fn impossible_weights_and_scales_are_refused() {
        let teacher = "[[teacher]]\nname = \"yamnet\"\n";
        let shared = "[[shared]]\nclass = \"B: fiddle\"\ntag = \"A: violin\"\n";
        for (text, word) in [
            (format!("{teacher}weight = -1.0"), "weight -1"),
            (format!("{teacher}\n{teacher}"), "yamnet is there twice"),
            (format!("{teacher}weight = nan"), "weight NaN"),
            (format!("{teacher}weight = 1.0\ntags = {{ rock = inf }}"), "weight inf"),
            (format!("{teacher}weight = 1.0\nscaling = {{ scale = 0.0, offset = 1.0 }}"), "not above 0"),
            (format!("{shared}weight = 0.0\nscale = 1.0\noffset = 0.0"), "not above 0"),
            (format!("{shared}weight = 1.0\nscale = 1.0\noffset = inf"), "not above 0"),
            (format!("{shared}weight = 1.0\nscale = 1.0"), "offset"),
            ("weights = 3".into(), "weights"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
