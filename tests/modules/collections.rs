// What Rust's standard library does with a small program: collections, strings, closures, formatting,
// errors as values, and a panic at the end when it is asked for.
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::fmt;

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Circle(f64),
    Box { width: f64, height: f64 },
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Shape::Circle(radius) => write!(out, "circle of {:.3}", radius),
            Shape::Box { width, height } => write!(out, "box of {} by {:e}", width, height),
        }
    }
}

fn primes(limit: usize) -> Vec<usize> {
    let mut composite = vec![false; limit];
    (2..limit)
        .filter(|&n| {
            if composite[n] {
                return false;
            }
            (n * n..limit).step_by(n).for_each(|m| composite[m] = true);
            true
        })
        .collect()
}

fn parse(text: &str) -> Result<i64, Box<dyn std::error::Error>> {
    Ok(text.trim().parse::<i64>()? * 2)
}

fn main() {
    let mut words: HashMap<String, usize> = HashMap::new();
    for word in "the cat and the dog and the bird".split(' ') {
        *words.entry(word.to_string()).or_insert(0) += 1;
    }
    let sorted: BTreeMap<_, _> = words.iter().collect();
    println!("{:?}", sorted);

    let found = primes(10000);
    println!("{} primes, the last {:?}, sum {}", found.len(), found.last(), found.iter().sum::<usize>());

    let mut heap: BinaryHeap<(u32, &str)> = vec![(3, "c"), (9, "i"), (1, "a")].into();
    let mut queue: VecDeque<_> = (0..5).collect();
    queue.rotate_left(2);
    heap.push((5, "e"));
    println!("{:?} {:?}", heap.into_sorted_vec(), queue);

    let letters: BTreeSet<char> = "größe, Ελλάδα, 漢字".chars().filter(|c| c.is_alphabetic()).collect();
    println!("{:?} {}", letters, "straße".to_uppercase());

    let shapes = vec![Shape::Circle(2.0f64.sqrt()), Shape::Box { width: 0.1 + 0.2, height: 1e-7 }];
    for shape in &shapes {
        println!("{} {:?}", shape, shape);
    }
    println!("{:?} {:?}", parse(" 21 ").unwrap(), parse("x").map_err(|e| e.to_string()));
    println!("{:?} {:?} {}", i32::MAX.checked_add(1), i32::MAX.wrapping_add(1), u128::MAX / 7);
    println!("{} {:e} {}", f32::MAX, f64::MIN_POSITIVE, 1.0f64 / 3.0);

    if let Some(index) = std::env::args().nth(1) {
        let index: usize = index.parse().expect("a number");
        println!("{}", found[index]);
    }
}
