//! One of several machines' shares of the same work.

use crate::error::{Result, TrainerError};

/// Part `number` (from 1) of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// All of the work.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// From the argument `K/N`, or `/N`, or nothing. What is not told is read from the
    /// variables of a Slurm job array or a Kubernetes indexed job; Kubernetes does not
    /// tell a job how many there are, so `/N` is needed there.
    ///
    /// # Errors
    /// [`TrainerError::Request`], in a sentence.
    pub fn from(argument: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let number = |name: &str| variable(name).and_then(|text| text.parse::<usize>().ok());
        let slurm = number("SLURM_ARRAY_TASK_ID").map(|id| {
            let first = number("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
            (id.saturating_sub(first) + 1, number("SLURM_ARRAY_TASK_COUNT"))
        });
        let kubernetes = number("JOB_COMPLETION_INDEX").map(|index| (index + 1, None));
        let told = slurm.or(kubernetes);
        let refuse = |what: String| TrainerError::Request(what);
        let shard = match argument {
            None => match told {
                Some((number, Some(of))) => Self { number, of },
                Some((_, None)) => {
                    return Err(refuse(
                        "this is one task of many, but how many is not known: say --shard /N with N the number of tasks"
                            .into(),
                    ));
                }
                None => Self::WHOLE,
            },
            Some(text) => {
                let wrong = || refuse(format!("--shard {text}: this is not K/N with K from 1 to N, such as 3/16"));
                let (number, of) = text.split_once('/').ok_or_else(wrong)?;
                let of = of.parse().map_err(|_| wrong())?;
                let number = if number.is_empty() {
                    told.ok_or_else(|| {
                        refuse(format!(
                            "--shard {text}: no variable of Slurm or Kubernetes tells which of the {of} this is"
                        ))
                    })?
                    .0
                } else {
                    number.parse().map_err(|_| wrong())?
                };
                Self { number, of }
            }
        };
        if shard.number < 1 || shard.number > shard.of || shard.of > 99_999 {
            let Self { number, of } = shard;
            return Err(refuse(format!("part {number} of {of} does not exist")));
        }
        Ok(shard)
    }

    /// This shard's share of a list.
    pub fn share<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip(self.number - 1).step_by(self.of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(argument: Option<&str>, variables: &[(&str, &str)]) -> Result<(usize, usize)> {
        let find =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Shard::from(argument, find).map(|shard| (shard.number, shard.of))
    }

    #[test]
    fn an_argument_a_slurm_array_or_an_indexed_job() {
        let slurm = [("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_MIN", "5"), ("SLURM_ARRAY_TASK_COUNT", "4")];
        assert_eq!(shard(None, &[]).unwrap(), (1, 1));
        assert_eq!(shard(Some("3/16"), &[]).unwrap(), (3, 16));
        assert_eq!(shard(None, &slurm).unwrap(), (3, 4));
        assert_eq!(shard(Some("2/9"), &slurm).unwrap(), (2, 9));
        assert_eq!(shard(Some("/8"), &[("JOB_COMPLETION_INDEX", "0")]).unwrap(), (1, 8));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (argument, variables) in [
            (Some("0/4"), &[][..]),
            (Some("5/4"), &[]),
            (Some("1/0"), &[]),
            (Some("one of four"), &[]),
            (Some("/4"), &[]),
            (None, &[("JOB_COMPLETION_INDEX", "2")]),
            (Some("/2"), &[("JOB_COMPLETION_INDEX", "2")]),
        ] {
            assert!(shard(argument, variables).is_err(), "{argument:?}");
        }
    }

    #[test]
    fn shares_are_whole_together() {
        let mut all: Vec<usize> = (1..=3).flat_map(|number| Shard { number, of: 3 }.share((0..10).collect())).collect();
        all.sort();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}
