// A ring all_reduce whose pieces are sent, received and combined side by side.
#include "distributed/ring.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "distributed/combine.h"

namespace taper::distributed {

namespace {

// Beside those of transfers and greetings.
constexpr std::uint8_t lane = 4;
// Larger pieces wake fewer threads, smaller ones fit into caches. Measured with 2 processes on 2 cores, 2 to
// 64 MiB: docs/distributed.md.
constexpr std::size_t piece_bytes = 1 << 20;
// Pieces under way at once, so that neither the network nor the processor waits for the other.
constexpr std::size_t most_under_way = 2;
// A tag has 16 bits for the number of a piece.
constexpr std::uint64_t most_pieces = 1 << 16;
constexpr int most_ranks = 128;

class Ring {
 public:
  Ring(Transport& transport, int rank, int size, void* data, std::size_t count, const Reduction& reduction,
       std::uint64_t number)
      : transport_(transport),
        rank_(rank),
        size_(std::size_t(size)),
        data_(static_cast<std::byte*>(data)),
        count_(count),
        reduction_(reduction),
        number_(number) {
    const std::size_t longest = count / size_ + 1, item = reduction.item_size();
    const std::size_t steps = 2 * (size_ - 1);
    pieces_ = std::clamp<std::size_t>(longest * item / piece_bytes, 1, most_pieces / steps);
    piece_room_ = (longest / pieces_ + 1) * item;
    // A piece is sent on only once it has come.
    width_ = std::min(pieces_, most_under_way);
    room_ = std::make_unique_for_overwrite<std::byte[]>(piece_room_ * width_);
  }

  void run() {
    for (std::size_t step = 0; step < 2 * (size_ - 1); ++step)
      for (std::size_t piece = 0; piece < pieces_; ++piece) {
        if (under_way_.size() == width_) finish_oldest();
        begin(step, piece);
      }
    while (!under_way_.empty()) finish_oldest();
  }

 private:
  struct Piece {
    std::byte* data;
    std::size_t bytes;
  };
  struct UnderWay {
    std::unique_ptr<Transfer> transfer;
    std::byte* came;
    Piece in;
    std::size_t step;
  };

  // Piece number `piece` of the part that is `back` ranks before this one's.
  Piece piece_of(std::size_t back, std::size_t piece) const {
    const std::size_t part = (std::size_t(rank_) + 2 * size_ - back) % size_;
    const std::size_t begin = count_ * part / size_, length = count_ * (part + 1) / size_ - begin;
    const std::size_t first = length * piece / pieces_, last = length * (piece + 1) / pieces_;
    return {data_ + (begin + first) * reduction_.item_size(), (last - first) * reduction_.item_size()};
  }

  // In the first size - 1 steps the piece that comes is combined with the own one, in the others it replaces
  // that.
  void begin(std::size_t step, std::size_t piece) {
    const std::size_t back = step < size_ - 1 ? step + size_ : step;
    const Piece out = piece_of(back, piece), in = piece_of(back + 1, piece);
    std::byte* came = step < size_ - 1 ? room_.get() + (begun_++ % width_) * piece_room_ : in.data;
    const int next = int((std::size_t(rank_) + 1) % size_),
              before = int((std::size_t(rank_) + size_ - 1) % size_);
    const std::uint64_t tag = number_ << 16 | (step * pieces_ + piece);
    under_way_.push_back(
        {transport_.begin_exchange(next, out.data, out.bytes, before, came, in.bytes, tag, lane), came, in,
         step});
  }

  void finish_oldest() {
    UnderWay piece = std::move(under_way_.front());
    under_way_.pop_front();
    piece.transfer->received();
    if (piece.step < size_ - 1) {
      const std::size_t items = piece.in.bytes / reduction_.item_size();
      reduction_.combine(piece.in.data, piece.in.data, piece.came, items);
      if (piece.step == size_ - 2 && reduction_.op == ReduceOp::avg)
        divide(piece.in.data, items, reduction_.dtype, int(size_));
    }
    piece.transfer->sent();
  }

  Transport& transport_;
  const int rank_;
  const std::size_t size_;
  std::byte* const data_;
  const std::size_t count_;
  const Reduction& reduction_;
  const std::uint64_t number_;
  std::size_t pieces_, piece_room_, width_, begun_ = 0;
  std::unique_ptr<std::byte[]> room_;
  // After the room, so that they are gone before it is.
  std::deque<UnderWay> under_way_;
};

}  // namespace

bool can_use_ring(int size) { return size > 1 && size <= most_ranks; }

void all_reduce_ring(Transport& transport, int rank, int size, void* data, std::size_t count,
                     const Reduction& reduction, std::uint64_t number) {
  Ring(transport, rank, size, data, count, reduction, number).run();
}

}  // namespace taper::distributed
