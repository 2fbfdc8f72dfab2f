fn main() { println!("stead"); }
