//! Measures the process's share of a core while music plays with the window open, hidden by the host,
//! and closed, in turns. Prints one line of JSON for `cargo xtask bench window`. The virtual screen
//! has no graphics card, so the share includes software rendering.

#[cfg(target_os = "linux")]
fn main() {
    use cpu_time::ProcessTime;
    use std::time::{Duration, Instant};
    use tagvane_host::window::Window;
    use tagvane_host::{Session, Setup};
    use tagvane_tests::{bundle, clip, screen};

    const SIZE: (u32, u32) = (1_280, 800);
    const SECONDS: f64 = 8.0;
    const BLOCK: usize = 512;

    if !screen::enter_subprocess("window", &[], &[]) {
        return;
    }
    let music = clip("rock");
    let mut session = tagvane_host::open(&bundle("clap")).expect("the bundle loads");
    let rate = f64::from(music.sample_rate);
    session
        .start(Setup { sample_rate: rate, max_block_frames: BLOCK, channels: 2, offline: false })
        .expect("the plugin starts");
    // Plays some seconds of music in real time, and returns the share of a core.
    let mut position = 0;
    let mut play = |session: &mut dyn Session| {
        let (cpu, started) = (ProcessTime::now(), Instant::now());
        let mut played = 0;
        while (played as f64) < SECONDS * rate {
            if position + BLOCK > music.frames() {
                position = 0;
            }
            let side = |channel: usize| {
                let channel = music.channels.get(channel).unwrap_or(&music.channels[0]);
                channel[position..position + BLOCK].to_vec()
            };
            session.process(&[side(0), side(1)], &mut vec![vec![0.0; BLOCK]; 2]).expect("the plugin processes");
            session.idle();
            (position, played) = (position + BLOCK, played + BLOCK);
            std::thread::sleep(Duration::from_secs_f64(played as f64 / rate).saturating_sub(started.elapsed()));
        }
        cpu.elapsed().as_secs_f64() / started.elapsed().as_secs_f64()
    };
    let (mut open, mut hidden, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        closed.push(play(session.as_mut()));
        let window = Window::open("bench").expect("the host's window opens");
        session.open_window(window.id(), 1.0).expect("the plugin's window opens");
        window.resize(session.resize_window(SIZE).expect("the window takes the size"));
        open.push(play(session.as_mut()));
        session.hide_window(true).expect("the window hides");
        hidden.push(play(session.as_mut()));
        session.close_window();
    }
    let median = |mut shares: Vec<f64>| {
        shares.sort_by(f64::total_cmp);
        shares[shares.len() / 2]
    };
    println!("{}", serde_json::json!({ "with": median(open), "hidden": median(hidden), "without": median(closed) }));
}

#[cfg(not(target_os = "linux"))]
fn main() {
    panic!("this bench runs on Linux only");
}
