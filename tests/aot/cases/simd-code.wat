;; wat2wasm: --enable-relaxed-simd
;; asm: x86_64: pmovsxbw 16(%rax), %xmm0
;; asm: x86_64: pinsrb $5, 16(%rax), %xmm0
;; asm: x86_64: ptest %xmm0, %xmm0
;; asm: x86_64: pmulhrsw
;; asm: x86_64: pmaddubsw
;; asm: x86_64: pmulhuw
;; asm: x86_64: packuswb
;; asm: x86_64: roundps $8
;; asm: x86_64: minps
;; asm: x86_64: cvttps2dq
;; asm: x86_64: cvttpd2dq
;; asm: x86_64: mulps .Lvector
;; no-asm: x86_64: cvttss2si
;; no-asm: x86_64: cvttsd2si
;; asm: arm64: ld1r { v0.4s }
;; asm: arm64: tbl v0.16b, { v0.16b }, v1.16b
;; asm: arm64: sqrdmulh v0.8h
;; asm: arm64: uaddlp v0.8h
;; asm: arm64: sqxtun2 v0.16b
;; asm: arm64: frintn v0.4s
;; asm: arm64: fmin v0.4s
;; asm: arm64: fcvtzs v0.4s
;; asm: arm64: sqxtn v0.2s
;; asm: arm64: uminv h0
;; no-asm: arm64: fmla
;; What the targets have an instruction for does not fall apart into lanes; both round a relaxed madd twice.
(module
  (memory 1)
  (func (export "load8x8") (param i32) (result v128) (v128.load8x8_s offset=16 (local.get 0)))
  (func (export "load32_splat") (param i32) (result v128) (v128.load32_splat offset=16 (local.get 0)))
  (func (export "load8_lane") (param i32 v128) (result v128) (v128.load8_lane offset=16 5 (local.get 0) (local.get 1)))
  (func (export "swizzle") (param v128 v128) (result v128) (i8x16.swizzle (local.get 0) (local.get 1)))
  (func (export "any_true") (param v128) (result i32) (v128.any_true (local.get 0)))
  (func (export "all_true") (param v128) (result i32) (i16x8.all_true (local.get 0)))
  (func (export "q15mulr") (param v128 v128) (result v128) (i16x8.q15mulr_sat_s (local.get 0) (local.get 1)))
  (func (export "extadd") (param v128) (result v128) (i16x8.extadd_pairwise_i8x16_u (local.get 0)))
  (func (export "extmul") (param v128 v128) (result v128) (i32x4.extmul_high_i16x8_u (local.get 0) (local.get 1)))
  (func (export "narrow") (param v128 v128) (result v128) (i8x16.narrow_i16x8_u (local.get 0) (local.get 1)))
  (func (export "nearest") (param v128) (result v128) (f32x4.nearest (local.get 0)))
  (func (export "min") (param v128 v128) (result v128) (f32x4.min (local.get 0) (local.get 1)))
  (func (export "once") (param v128) (result v128) (f32x4.mul (local.get 0) (v128.const f32x4 1 1 1 1)))
  (func (export "trunc32") (param v128) (result v128) (i32x4.trunc_sat_f32x4_s (local.get 0)))
  (func (export "trunc32u") (param v128) (result v128) (i32x4.trunc_sat_f32x4_u (local.get 0)))
  (func (export "trunc64") (param v128) (result v128) (i32x4.trunc_sat_f64x2_s_zero (local.get 0)))
  (func (export "trunc64u") (param v128) (result v128) (i32x4.trunc_sat_f64x2_u_zero (local.get 0)))
  (func (export "madd") (param v128 v128 v128) (result v128)
    (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "_start")))
