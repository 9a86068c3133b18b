//! The cost of taught tags, with embeddings of 64 values and a background of 256: learning one from its spans, judging how well
//! it tells them apart, and its value at a prediction. Prints one line of JSON.

use std::hint::black_box;
use std::time::Instant;
use tagvane_engine::Background;
use tagvane_engine::teaching::{Lesson, MarkedSpan};

const SIZE: usize = 64;

/// Numbers around 0 that look random.
fn wave(index: usize) -> f32 {
    ((index * index) as f32 * 0.618).sin() * 1.4
}

fn lesson(spans: usize) -> Lesson {
    let span = |number: usize| {
        let is_example = number.is_multiple_of(2);
        let row = |row: usize| -> Vec<i8> {
            let shift = if is_example { 12.0 } else { -12.0 };
            (0..SIZE).map(|value| (16.0 * wave(number * 9_973 + row * SIZE + value) + shift) as i8).collect()
        };
        let rows: Vec<Vec<i8>> = (0..50).map(row).collect();
        let rows: Vec<&[i8]> = rows.iter().map(Vec::as_slice).collect();
        MarkedSpan::new(is_example, None, 5.0, &rows).expect("the rows have one size")
    };
    Lesson { spans: (0..spans).map(span).collect(), ..Lesson::new("bench", "") }
}

/// The shortest of twenty times, in milliseconds.
fn milliseconds(mut work: impl FnMut()) -> f64 {
    let time = |()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    };
    std::iter::repeat_n((), 20).map(time).fold(f64::INFINITY, f64::min)
}

fn main() {
    let background = Background::new(SIZE, &(0..256 * SIZE).map(wave).collect::<Vec<f32>>());
    let [few, many] = [6, 24].map(lesson);
    let function = few.learn(&background).expect("there are examples");
    let embedding: Vec<i8> = (0..SIZE).map(|value| (16.0 * wave(value)) as i8).collect();
    const VALUES: u32 = 100_000;
    let values = milliseconds(|| {
        for _ in 0..VALUES {
            black_box(function.probability(black_box(&embedding)));
        }
    });
    println!(
        "{{\"learn_6_spans_ms\": {:.2}, \"judge_6_spans_ms\": {:.2}, \"learn_24_spans_ms\": {:.2}, \"judge_24_spans_ms\": {:.2}, \
         \"value_ns\": {:.0}}}",
        milliseconds(|| drop(black_box(few.learn(&background)))),
        milliseconds(|| _ = black_box(few.confidence(&background))),
        milliseconds(|| drop(black_box(many.learn(&background)))),
        milliseconds(|| _ = black_box(many.confidence(&background))),
        values * 1e6 / f64::from(VALUES),
    );
}
