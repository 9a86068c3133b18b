//! Shards: the shares of one job that several machines process separately.

use crate::error::{Result, TrainerError};

/// Maximum number of shards: the names of a cache's parts have five digits.
const MAX_COUNT: usize = 99_999;

/// Shard `number` of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Number of this shard, 1 to `count`.
    pub number: usize,
    /// Number of shards.
    pub count: usize,
}

impl Shard {
    /// The only shard of an unsharded job.
    pub const WHOLE: Self = Self { number: 1, count: 1 };

    /// The shard given by the argument `K/N` or `/N`. A missing number is read from the environment variables of a
    /// Slurm job array or a Kubernetes indexed job. Kubernetes does not set the number of jobs, so `/N` is needed there.
    /// `variable` looks up an environment variable.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where the argument is invalid, or a number is missing.
    pub fn from_argument_or_environment(
        argument: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let number = |name: &str| variable(name).and_then(|text| text.parse::<usize>().ok());
        let slurm = number("SLURM_ARRAY_TASK_ID").map(|id| {
            let first = number("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
            (id.saturating_sub(first) + 1, number("SLURM_ARRAY_TASK_COUNT"))
        });
        let kubernetes = number("JOB_COMPLETION_INDEX").map(|index| (index + 1, None));
        let task = slurm.or(kubernetes);
        let refuse = |what: String| TrainerError::Request(what);
        let shard = match argument {
            None => match task {
                Some((number, Some(count))) => Self { number, count },
                Some((_, None)) => {
                    return Err(refuse(
                        "the number of tasks is not set in the environment; give --shard /N with N the number of tasks"
                            .into(),
                    ));
                }
                None => Self::WHOLE,
            },
            Some(text) => {
                let wrong = || refuse(format!("--shard {text}: give K/N with K from 1 to N, such as 3/16"));
                let (number, count) = text.split_once('/').ok_or_else(wrong)?;
                let count = count.parse().map_err(|_| wrong())?;
                let number = if number.is_empty() {
                    task.ok_or_else(|| {
                        refuse(format!(
                            "--shard {text}: no Slurm or Kubernetes variable gives the number of this shard; give \
                             --shard K/{count}"
                        ))
                    })?
                    .0
                } else {
                    number.parse().map_err(|_| wrong())?
                };
                Self { number, count }
            }
        };
        let Self { number, count } = shard;
        if !(1..=MAX_COUNT).contains(&count) || !(1..=count).contains(&number) {
            return Err(refuse(format!(
                "--shard {number}/{count}: give K/N with K from 1 to N, and N at most {MAX_COUNT}"
            )));
        }
        Ok(shard)
    }

    /// Selects the items of this shard.
    pub fn select<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip(self.number - 1).step_by(self.count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(argument: Option<&str>, variables: &[(&str, &str)]) -> Result<(usize, usize)> {
        let find =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Shard::from_argument_or_environment(argument, find).map(|shard| (shard.number, shard.count))
    }

    #[test]
    fn shard_comes_from_the_argument_a_slurm_array_or_an_indexed_job() {
        let slurm = [("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_MIN", "5"), ("SLURM_ARRAY_TASK_COUNT", "4")];
        assert_eq!(shard(None, &[]).unwrap(), (1, 1));
        assert_eq!(shard(Some("3/16"), &[]).unwrap(), (3, 16));
        assert_eq!(shard(None, &slurm).unwrap(), (3, 4));
        assert_eq!(shard(Some("2/9"), &slurm).unwrap(), (2, 9));
        assert_eq!(shard(Some("/8"), &[("JOB_COMPLETION_INDEX", "0")]).unwrap(), (1, 8));
    }

    #[test]
    fn invalid_shards_are_rejected() {
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
    fn shards_together_select_every_item_once() {
        let mut all: Vec<usize> =
            (1..=3).flat_map(|number| Shard { number, count: 3 }.select((0..10).collect())).collect();
        all.sort();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}
