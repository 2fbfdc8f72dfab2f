fn main() {
    println!("stead");
}
