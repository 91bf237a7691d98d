//! The first walk through a pool, end to end.
use pool_channel::ChannelPool;
use pool_core::*;
use std::time::Duration;

#[test]
fn first_walk() {
    let pool = ChannelPool::builder()
        .workers(2)
        .queue_capacity(4)
        .build()
        .unwrap();
    let handles: Vec<_> = (0..1000u64)
        .map(|i| pool.spawn(move || i * 2).unwrap())
        .collect();
    for (i, h) in handles.into_iter().enumerate() {
        assert_eq!(h.join().unwrap(), i as u64 * 2);
    }
    let p = pool.clone();
    fn nest(p: &ChannelPool, d: u32) -> u32 {
        if d == 0 {
            return 0;
        }
        let q = p.clone();
        1 + p.spawn(move || nest(&q, d - 1)).unwrap().join().unwrap()
    }
    let q = p.clone();
    assert_eq!(p.spawn(move || nest(&q, 100)).unwrap().join().unwrap(), 100);
    let f = pool.spawn_future(async { 7 }).unwrap();
    assert_eq!(f.join().unwrap(), 7);
    let (mut a, mut b) = (0, 0);
    pool.scope(|s| {
        s.spawn(|| a = 1).unwrap();
        s.spawn(|| b = 2).unwrap();
    })
    .unwrap();
    assert_eq!(a + b, 3);
    let sum: i32 = pool.map(0..100, |x| x + 1).map(Result::unwrap).sum();
    assert_eq!(sum, 5050);
    pool.wait_idle();
    drop(p);
    let report = pool.shutdown(Duration::from_secs(5));
    println!("{report}");
    assert!(report.balances() && report.is_safe_to_exit());
}

#[test]
fn hang() {
    let pool = ChannelPool::builder()
        .workers(2)
        .queue_capacity(4)
        .build()
        .unwrap();
    let (tx, rx) = std::sync::mpsc::channel::<()>();
    let (started, ready) = std::sync::mpsc::channel::<()>();
    let h = pool
        .submit(
            (move |_: &JobContext<'_>| {
                started.send(()).unwrap();
                rx.recv()
            })
            .named("hangs"),
        )
        .unwrap();
    ready.recv().unwrap();
    let t = std::time::Instant::now();
    let report = pool.shutdown(
        ShutdownPolicy::new(Duration::from_millis(300)).cancel_grace(Duration::from_millis(100)),
    );
    println!("{report} {:?}", t.elapsed());
    assert!(report.balances() && !report.is_safe_to_exit());
    drop(tx);
    let _ = h.join();
}
