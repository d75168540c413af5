// A PTX module after parsing: functions, their instructions in the form the interpreter runs, and variables.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace device_sim {

enum class Type : uint8_t {
  none,
  pred,
  u8,
  u16,
  u32,
  u64,
  s8,
  s16,
  s32,
  s64,
  b8,
  b16,
  b32,
  b64,
  b128,
  f16,
  bf16,
  f16x2,
  bf16x2,
  f32,
  f64
};

/// Bytes of one element; 0 for `none`.
int size_of(Type type);
/// The type of that name ("u32"), or `none`.
Type type_named(std::string_view name);

enum class Space : uint8_t { generic, global, shared, local, param };

/// Addresses of these spaces as generic addresses: the window plus the offset. No host memory can lie there.
inline constexpr uint64_t kWindowMask = 0xff00'0000'0000'0000;
inline constexpr uint64_t kSharedWindow = 0x7000'0000'0000'0000;
inline constexpr uint64_t kLocalWindow = 0x7100'0000'0000'0000;
inline constexpr uint64_t kParamWindow = 0x7200'0000'0000'0000;
inline constexpr uint64_t kFunctionWindow = 0x7300'0000'0000'0000;

/// Where an operand's value is found: in one of the thread's arrays of 64-bit values.
enum Bank : uint8_t { register_bank, immediate_bank, special_bank, symbol_bank };

enum Special : uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  warp_size,
  lanemask_eq,
  lanemask_lt,
  lanemask_le,
  lanemask_gt,
  lanemask_ge,
  smid,
  nsmid,
  dynamic_smem_size,
  total_smem_size,
  gridid,
  clock_value,
  envreg1,
  envreg2,
  special_count
};

struct Operand {
  Bank bank = immediate_bank;
  bool negated = false;  // of a predicate
  bool ignored = false;  // the sink "_"
  uint32_t index = 0;
};

struct Thread;
struct Instruction;
using Handler = void (*)(Thread&, const Instruction&);

struct Instruction {
  Handler run = nullptr;
  std::vector<Operand> operands;  // vectors of operands lie flat
  int32_t predicate = -1;         // register
  bool predicate_negated = false;
  Type type = Type::none, source_type = Type::none;
  Space space = Space::generic;
  uint8_t vector = 1;   // elements of a load, store or matrix operand
  uint8_t variant = 0;  // what the handler makes of it: comparison, scope, table of lop3 ...
  uint16_t flags = 0;   // Flag
  int64_t offset = 0;   // of an address
  int32_t target = -1;  // instruction of a branch, function of a call
  uint32_t number = 0;  // in the module's list of texts
};

enum Flag : uint16_t {
  flag_acquire = 1,
  flag_release = 2,
  flag_strong = 4,
  flag_block_scope = 8,
  flag_wide = 32,
  flag_second = 64,
  flag_aligned = 128,
  flag_flush = 256,
  flag_saturate = 512,
  flag_carry_in = 1024,
  flag_carry_out = 2048,
  flag_local = 0x8000
};

/// Part of a function's parameter area.
struct Parameter {
  std::string name;
  size_t offset = 0, size = 0;
};

struct CallSite {
  std::string name;                           // empty: the address is the first operand
  std::vector<Parameter> results, arguments;  // in the caller's parameter area
};

struct Function {
  std::string name;
  bool is_entry = false, defined = false;
  std::vector<Parameter> results, parameters;
  std::map<std::string, Parameter> parameter_area;  // all of them, with those declared for calls
  size_t parameter_bytes = 0;
  std::vector<Instruction> code;
  std::vector<uint64_t> immediates;
  std::vector<CallSite> calls;
  std::vector<std::vector<int32_t>> branch_tables;
  uint32_t register_count = 0;
  size_t local_bytes = 0;
  int max_threads = 0;
};

struct Variable {
  std::string name;
  Space space = Space::global;
  size_t size = 0, alignment = 1;
  bool is_extern = false;
  std::vector<char> initial;
  std::vector<std::pair<size_t, std::string>>
      addresses;            // initial values that are addresses of other symbols
  size_t local_offset = 0;  // in its function's local memory
  bool is_function = false;
};

struct Module {
  std::vector<std::unique_ptr<Function>> functions;
  std::map<std::string, int> function_numbers;
  std::vector<Variable> variables;
  std::map<std::string, int> variable_numbers;
  std::vector<std::string> texts;       // of the instructions
  std::vector<std::string> locations;   // file:line of each, where the compiler wrote them
  std::vector<uint64_t> symbol_values;  // of variables outside shared memory; set by load_module
  const Function* entry(const std::string& name) const;
};

/// Parses PTX text. Throws std::runtime_error with the line where the text is not PTX; an instruction that is
/// not known parses, and stops the kernel that reaches it.
std::unique_ptr<Module> parse_module(const std::string& text);

/// One instruction's opcode and modifiers, as parsed.
struct Opcode {
  std::vector<std::string_view> parts;
  std::vector<Type> types;
  bool has(std::string_view modifier) const;
  std::string_view name() const { return parts[0]; }
  std::string_view part(size_t number) const {
    return number < parts.size() ? parts[number] : std::string_view();
  }
};

/// Chooses how `instruction` is run and fills in its fields. Leaves `run` at a handler that reports the text
/// when nothing fits.
void decode(const Opcode& opcode, Instruction& instruction);
/// The handler of what the interpreter does not know: it stops the kernel with the instruction's text.
extern const Handler unknown_instruction;

// The parts of decode, each null where it does not know the instruction.
Handler decode_integer(const Opcode& opcode, Instruction& instruction);
Handler decode_bits(const Opcode& opcode, Instruction& instruction);
Handler decode_floating(const Opcode& opcode, Instruction& instruction);
Handler decode_conversion(const Opcode& opcode, Instruction& instruction);
Handler decode_comparison(const Opcode& opcode, Instruction& instruction);
Handler decode_memory(const Opcode& opcode, Instruction& instruction);
Handler decode_atomic(const Opcode& opcode, Instruction& instruction);
Handler decode_control(const Opcode& opcode, Instruction& instruction);
Handler decode_warp(const Opcode& opcode, Instruction& instruction);
Handler decode_matrix(const Opcode& opcode, Instruction& instruction);

}  // namespace device_sim
