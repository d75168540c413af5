// Instructions by which the threads of a warp or block act together, against what the ISA says of each lane.
#include <bit>
#include <cstring>

#include "findings.h"
#include "ptx/executor.h"

namespace {

using namespace device_sim;

class Together : public device_sim_tests::OnDevice, public ::testing::WithParamInterface<int> {
 protected:
  /// Runs `body` in `threads` threads of one block; it has %t (the thread's number) and leaves its result in
  /// %r.
  std::vector<uint32_t> run(const std::string& body, uint32_t threads = 32,
                            const std::string& declarations = "") {
    const std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n" + declarations + R"(
.visible .entry test(.param .u64 out)
{
  .reg .b64 %out, %at, %x<8>; .reg .b32 %t, %r, %w<24>; .reg .f32 %f<8>; .reg .pred %p, %q;
  ld.param.u64 %out, [out]; mov.u32 %t, %tid.x; mov.b32 %r, 0;
)" + body + "\n  mad.wide.u32 %at, %t, 4, %out;\n  st.global.u32 [%at], %r;\n  ret;\n}\n";
    const auto module = parse_module(text);
    load_module(*module);
    DeviceMemory& memory = DeviceMemory::instance();
    char* out = memory.allocate(threads * 4);
    Grid grid;
    grid.module = module.get();
    grid.entry = module->entry("test");
    grid.block = {threads, 1, 1};
    grid.schedule = uint64_t(GetParam());
    grid.parameters.resize(8);
    std::memcpy(grid.parameters.data(), &out, 8);
    AccessChecker::instance().begin_operation(0);
    EXPECT_TRUE(run_grid(grid)) << body;
    std::vector<uint32_t> results(threads);
    std::memcpy(results.data(), memory.place(uint64_t(out)).data, threads * 4);
    memory.free(out);
    return results;
  }
  template <class F>
  void expect(const std::vector<uint32_t>& got, F expected) {
    for (uint32_t t = 0; t < got.size(); ++t) EXPECT_EQ(got[t], expected(t)) << "thread " << t;
  }
};
INSTANTIATE_TEST_SUITE_P(Orders, Together, ::testing::Values(0, 1, 3));

TEST_P(Together, Shuffles) {
  const std::string square = "mul.lo.u32 %w0, %t, %t; ";
  const auto sq = [](uint32_t t) { return t * t; };
  expect(run(square + "shfl.sync.up.b32 %r, %w0, 3, 0, -1;"),
         [&](uint32_t t) { return sq(t < 3 ? t : t - 3); });
  expect(run(square + "shfl.sync.down.b32 %r, %w0, 5, 31, -1;"),
         [&](uint32_t t) { return sq(t + 5 > 31 ? t : t + 5); });
  expect(run(square + "shfl.sync.bfly.b32 %r, %w0, 9, 31, -1;"), [&](uint32_t t) { return sq(t ^ 9); });
  expect(run(square + "shfl.sync.idx.b32 %r, %w0, 7, 31, -1;"), [&](uint32_t) { return sq(7); });
  // Segments of 8 lanes: the segment mask 0x18 in bits 8 to 12.
  expect(run(square + "shfl.sync.idx.b32 %r, %w0, 2, 0x181f, -1;"),
         [&](uint32_t t) { return sq((t & 24) | 2); });
  expect(run(square + "shfl.sync.down.b32 %w1|%p, %w0, 1, 0x181f, -1; selp.b32 %r, 1, 0, %p;"),
         [](uint32_t t) { return uint32_t(t % 8 < 7); });
}

TEST_P(Together, VotesMatchesAndReductions) {
  const std::string odd = "and.b32 %w0, %t, 1; setp.eq.u32 %p, %w0, 1; ";
  expect(run(odd + "vote.sync.ballot.b32 %r, %p, -1;"), [](uint32_t) { return 0xaaaaaaaau; });
  expect(run(odd + "vote.sync.ballot.b32 %r, !%p, -1;"), [](uint32_t) { return 0x55555555u; });
  expect(run(odd + "vote.sync.any.pred %q, %p, -1; selp.b32 %r, 1, 0, %q;"), [](uint32_t) { return 1u; });
  expect(run(odd + "vote.sync.all.pred %q, %p, -1; selp.b32 %r, 1, 0, %q;"), [](uint32_t) { return 0u; });
  expect(run(odd + "vote.sync.uni.pred %q, %p, -1; selp.b32 %r, 1, 0, %q;"), [](uint32_t) { return 0u; });
  expect(run("shr.u32 %w0, %t, 3; match.any.sync.b32 %r, %w0, -1;"),
         [](uint32_t t) { return 0xffu << (t / 8 * 8); });
  expect(run("mov.b32 %w0, 5; match.all.sync.b32 %r|%p, %w0, -1;"), [](uint32_t) { return 0xffffffffu; });
  expect(run("redux.sync.add.u32 %r, %t, -1;"), [](uint32_t) { return 496u; });
  expect(run("sub.s32 %w0, %t, 7; redux.sync.min.s32 %r, %w0, -1;"), [](uint32_t) { return uint32_t(-7); });
  expect(run("redux.sync.max.u32 %r, %t, -1;"), [](uint32_t) { return 31u; });
  expect(run("redux.sync.xor.b32 %r, %t, -1;"), [](uint32_t) { return 0u; });
}

TEST_P(Together, ActiveLanesAreThoseOfTheBranch) {
  expect(run("setp.lt.u32 %p, %t, 10; @%p activemask.b32 %r; bar.warp.sync -1;"),
         [](uint32_t t) { return t < 10 ? 0x3ffu : 0u; });
}

TEST_P(Together, WarpsExchangeThroughSharedMemory) {
  const std::string body =
      "mul.wide.u32 %x0, %t, 4; mov.u64 %x1, s; add.s64 %x1, %x1, %x0; st.shared.u32 [%x1], %t; "
      "bar.warp.sync -1; xor.b32 %w0, %t, 31; mul.wide.u32 %x0, %w0, 4; mov.u64 %x1, s; "
      "add.s64 %x1, %x1, %x0; ld.shared.u32 %r, [%x1];";
  expect(run(body, 32, ".shared .align 4 .b8 s[128];"), [](uint32_t t) { return t ^ 31; });
}

TEST_P(Together, BarriersOfTheBlock) {
  expect(run("setp.lt.u32 %p, %t, 40; bar.red.popc.u32 %r, 0, %p;", 96), [](uint32_t) { return 40u; });
  expect(
      run("setp.lt.u32 %p, %t, 40; barrier.sync 0; bar.red.and.pred %q, 1, %p; selp.b32 %r, 1, 0, %q;", 96),
      [](uint32_t) { return 0u; });
  expect(run("setp.lt.u32 %p, %t, 40; bar.red.or.pred %q, 1, %p; selp.b32 %r, 1, 0, %q;", 96),
         [](uint32_t) { return 1u; });
  // The first two warps alone meet at barrier 2 and exchange a value.
  const std::string pair =
      "setp.ge.u32 %p, %t, 64; @%p bra $end; setp.eq.u32 %q, %t, 0; @%q st.shared.u32 [s], 77; "
      "bar.sync 2, 64; ld.shared.u32 %r, [s]; $end:";
  expect(run(pair, 96, ".shared .align 4 .b8 s[4];"), [](uint32_t t) { return t < 64 ? 77u : 0u; });
}

TEST_P(Together, LoadedMatricesAreSpreadOverTheLanes) {
  // Row r of the matrix holds the 16-bit numbers 8 r to 8 r + 7; each thread writes two of them.
  const std::string fill =
      "mov.u32 %w1, s; shl.b32 %w2, %t, 1; add.u32 %w3, %w2, 1; shl.b32 %w3, %w3, 16; or.b32 %w3, %w3, %w2; "
      "shl.b32 %w2, %t, 2; add.u32 %w2, %w2, %w1; st.shared.u32 [%w2], %w3; bar.sync 0; "
      "and.b32 %w4, %t, 7; shl.b32 %w4, %w4, 4; add.u32 %w4, %w4, %w1; ";
  const std::string shared = ".shared .align 16 .b8 s[128];";
  expect(run(fill + "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r}, [%w4];", 32, shared),
         [](uint32_t t) { return 2 * t | (2 * t + 1) << 16; });
  expect(run(fill + "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r}, [%w4];", 32, shared),
         [](uint32_t t) {
           const uint32_t row = t % 4 * 2, column = t / 4;
           return (row * 8 + column) | ((row + 1) * 8 + column) << 16;
         });
}

// A is all twos and B counts: element (k, n) of B is k; so D = C + 2 (0 + 1 + ... + 15) = 240 + C.
TEST_P(Together, ProductsOfMatrices) {
  const std::string body =
      "mov.b32 %w0, 0x40004000; and.b32 %w1, %t, 3; shl.b32 %w1, %w1, 1; cvt.rn.f32.u32 %f0, %w1; add.f32 "
      "%f1, %f0, 0f3F800000; "
      "add.f32 %f2, %f0, 0f41000000; add.f32 %f3, %f1, 0f41000000; cvt.rn.f16x2.f32 %w2, %f1, %f0; "
      "cvt.rn.f16x2.f32 %w3, %f3, %f2; "
      "cvt.rn.f32.u32 %f4, %t; mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f5, %f6, %f7, %f0}, {%w0, "
      "%w0, %w0, %w0}, "
      "{%w2, %w3}, {%f4, %f4, %f4, %f4}; mov.b32 %r, %f6;";
  expect(run(body), [](uint32_t t) { return std::bit_cast<uint32_t>(240.0f + float(t)); });
}

TEST_P(Together, AsynchronousCopiesArriveAtTheWait) {
  const std::string body =
      "mov.u32 %w1, s; mov.u64 %x1, g; mul.wide.u32 %x0, %t, 4; add.s64 %x1, %x1, %x0; shl.b32 %w2, %t, 2; "
      "add.u32 %w1, %w1, %w2; cp.async.ca.shared.global [%w1], [%x1], 4; cp.async.commit_group; "
      "cp.async.wait_group 0; ld.shared.u32 %r, [%w1];";
  expect(run(body, 4, ".shared .align 16 .b8 s[16];\n.global .align 4 .u32 g[4] = {5, 6, 7, 8};"),
         [](uint32_t t) { return t + 5; });
}

}  // namespace
