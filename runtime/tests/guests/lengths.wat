;; An aggregation of contract 0.2 over texts: the sum of their lengths, and their count.
;;
;; memory: 64 return area | 256 about | 32768 heap
(module
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 32768))
  (data (i32.const 256) "lengths1valuesumcount")
  (data (i32.const 320) "\00\01\00\00\07\00\00\00" "\07\01\00\00\01\00\00\00" "\80\01\00\00\01\00\00\00" "\8c\01\00\00\02\00\00\00")
  ;; the ports: "value", a text; "sum", "count"
  (data (i32.const 384) "\08\01\00\00\05\00\00\00\01\00\00\00" "\0d\01\00\00\03\00\00\00\00\00\00\00"
    "\10\01\00\00\05\00\00\00\00\00\00\00")
  (func $realloc (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $fits (i32.ge_s (memory.grow (i32.add (i32.shr_u (local.get $bytes) (i32.const 16)) (i32.const 1))) (i32.const 0)))
      (unreachable))
    (local.get $at))
  (func (export "contract") (result i32) (i32.const 2))
  (func (export "describe") (result i32) (i32.const 320))
  (func (export "configure") (param i32 i32) (result i32) (i32.const 512))
  (func (export "aggregate")
    (param $windows i32) (param $windows_len i32) (param i32 i32) (param $values i32) (param i32 i32 i32) (param $texts i32) (param i32) (result i32)
    (local $out i32) (local $window i32) (local $left i32) (local $sum f64) (local $slot i32)
    (local.set $out (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $windows_len) (i32.const 16))))
    (local.set $slot (local.get $out))
    (local.set $window (local.get $windows))
    (block $done (loop $next_window
      (br_if $done (i32.ge_u (local.get $window) (i32.add (local.get $windows) (i32.mul (local.get $windows_len) (i32.const 24)))))
      (local.set $sum (f64.const 0))
      (local.set $left (i32.load offset=4 (local.get $window)))
      (f64.store offset=8 (local.get $slot) (f64.convert_i32_u (local.get $left)))
      (loop $next_row
        (local.set $sum (f64.add (local.get $sum) (f64.convert_i32_u (i32.load offset=4
          (i32.add (local.get $texts) (i32.shl (i32.trunc_f64_u (f64.load (local.get $values))) (i32.const 3)))))))
        (local.set $values (i32.add (local.get $values) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $next_row (local.get $left)))
      (f64.store (local.get $slot) (local.get $sum))
      (local.set $slot (i32.add (local.get $slot) (i32.const 16)))
      (local.set $window (i32.add (local.get $window) (i32.const 24)))
      (br $next_window)))
    (i32.store (i32.const 68) (local.get $out))
    (i32.store (i32.const 72) (i32.mul (local.get $windows_len) (i32.const 2)))
    (i32.const 64))
  (func (export "cabi_post_aggregate") (param i32) (global.set $heap (i32.const 32768))))
