// From PTX text to a Module. The grammar: PTX ISA 9.0, chapters 4, 5 and 7 (what nvcc and NVRTC write of it).
#include <algorithm>
#include <cctype>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

#include "module.h"

namespace device_sim {
namespace {

struct Token {
  std::string text;
  int line;
};

[[noreturn]] void fail(int line, const std::string& what) {
  throw std::runtime_error("PTX, line " + std::to_string(line) + ": " + what);
}

bool starts_word(char c) {
  return std::isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}

/// Words (with their dots), quoted strings, and single characters of punctuation.
std::vector<Token> tokens_of(const std::string& text) {
  std::vector<Token> tokens;
  int line = 1;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (std::isspace((unsigned char)c) || c == '\0') {
      ++i;
    } else if (text.compare(i, 2, "//") == 0) {
      while (i < text.size() && text[i] != '\n') ++i;
    } else if (text.compare(i, 2, "/*") == 0) {
      const size_t end = std::min(text.find("*/", i + 2), text.size() - 2);
      for (; i < end; ++i) line += text[i] == '\n';
      i = end + 2;
    } else if (c == '"') {
      const size_t end = text.find('"', i + 1);
      if (end == std::string::npos) fail(line, "a string without its end");
      tokens.push_back({text.substr(i, end + 1 - i), line});
      i = end + 1;
    } else if (starts_word(c)) {
      size_t end = i + 1;
      while (end < text.size() && (starts_word(text[end]) || text.compare(end, 2, "::") == 0)) {
        end += text[end] == ':' ? 2 : 1;
      }
      tokens.push_back({text.substr(i, end - i), line});
      i = end;
    } else {
      tokens.push_back({std::string(1, c), line});
      ++i;
    }
  }
  return tokens;
}

const std::map<std::string, Special>& special_names() {
  static const std::map<std::string, Special> names{{"%tid.x", tid_x},
                                                    {"%tid.y", tid_y},
                                                    {"%tid.z", tid_z},
                                                    {"%ntid.x", ntid_x},
                                                    {"%ntid.y", ntid_y},
                                                    {"%ntid.z", ntid_z},
                                                    {"%ctaid.x", ctaid_x},
                                                    {"%ctaid.y", ctaid_y},
                                                    {"%ctaid.z", ctaid_z},
                                                    {"%nctaid.x", nctaid_x},
                                                    {"%nctaid.y", nctaid_y},
                                                    {"%nctaid.z", nctaid_z},
                                                    {"%laneid", laneid},
                                                    {"%warpid", warpid},
                                                    {"%nwarpid", nwarpid},
                                                    {"WARP_SZ", warp_size},
                                                    {"%lanemask_eq", lanemask_eq},
                                                    {"%lanemask_lt", lanemask_lt},
                                                    {"%lanemask_le", lanemask_le},
                                                    {"%lanemask_gt", lanemask_gt},
                                                    {"%lanemask_ge", lanemask_ge},
                                                    {"%smid", smid},
                                                    {"%nsmid", nsmid},
                                                    {"%dynamic_smem_size", dynamic_smem_size},
                                                    {"%total_smem_size", total_smem_size},
                                                    {"%gridid", gridid},
                                                    {"%envreg1", envreg1},
                                                    {"%envreg2", envreg2},
                                                    {"%clock", clock_value},
                                                    {"%clock64", clock_value},
                                                    {"%globaltimer", clock_value}};
  return names;
}

/// Numbers as PTX writes them: 12, 0x1f, 0f3F800000, 0d3FF0000000000000, each with an optional U.
uint64_t number_of(const Token& token) {
  const std::string& text = token.text;
  try {
    if (text.size() > 2 && text[0] == '0' &&
        (text[1] == 'f' || text[1] == 'F' || text[1] == 'd' || text[1] == 'D'))
      return std::stoull(text.substr(2), nullptr, 16);
    return std::stoull(text, nullptr, 0);
  } catch (const std::exception&) {
    fail(token.line, "expected a number, found " + text);
  }
}

class Parser {
 public:
  explicit Parser(const std::string& text) : tokens_(tokens_of(text)), module_(std::make_unique<Module>()) {}

  std::unique_ptr<Module> parse() {
    while (at_ < tokens_.size()) parse_top_level();
    // The names of the files stand at the end of the text.
    for (std::string& location : module_->locations)
      if (const size_t colon = location.find(':'); colon != std::string::npos)
        location = file_name(location.substr(0, colon)) + location.substr(colon);
    return std::move(module_);
  }

 private:
  // --- tokens
  const Token& here() const {
    if (at_ >= tokens_.size()) fail(tokens_.empty() ? 1 : tokens_.back().line, "the text ends too early");
    return tokens_[at_];
  }
  bool is(std::string_view text) const { return at_ < tokens_.size() && tokens_[at_].text == text; }
  Token take() {
    Token token = here();
    ++at_;
    return token;
  }
  bool accept(std::string_view text) {
    if (!is(text)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) fail(here().line, "expected " + std::string(text) + ", found " + here().text);
  }
  void skip_line() {
    const int line = here().line;
    while (at_ < tokens_.size() && tokens_[at_].line == line) ++at_;
  }
  void skip_block() {
    expect("{");
    for (int depth = 1; depth > 0;) {
      const std::string text = take().text;
      depth += (text == "{") - (text == "}");
    }
  }
  void skip_past(std::string_view text) {
    while (!accept(text)) ++at_, (void)here();
  }

  void parse_top_level() {
    const std::string word = here().text;
    if (word == ".version" || word == ".target" || word == ".address_size") {
      skip_line();
    } else if (word == ".file") {
      take();
      const std::string number = take().text;
      files_[number] = take().text;
      while (accept(",")) take();
    } else if (word == ".section") {
      while (!is("{")) take();
      skip_block();
    } else if (word == ".pragma" || word == ".alias") {
      skip_past(";");
    } else if (word == ".entry" || word == ".func") {
      parse_function();
    } else if (word == ".visible" || word == ".weak" || word == ".common") {
      take();
    } else if (word == ".extern") {
      take();
      extern_ = true;
    } else {
      parse_variable(nullptr);
    }
  }

  // --- variables
  void parse_variable(Function* function) {
    Variable variable;
    Type element = Type::none;
    variable.is_extern = std::exchange(extern_, false);
    while (here().text[0] == '.') {
      const Token token = take();
      if (token.text == ".shared") variable.space = Space::shared;
      else if (token.text == ".local") variable.space = Space::local;
      else if (token.text == ".param") variable.space = Space::param;
      else if (token.text == ".align") variable.alignment = number_of(take());
      else if (const Type type = type_named(token.text.substr(1)); type != Type::none) element = type;
      else if (token.text != ".global" && token.text != ".const" && token.text[1] != 'v' &&
               token.text.rfind(".attribute", 0) != 0)
        fail(token.line, "unknown declaration " + token.text);
      if (token.text.rfind(".attribute", 0) == 0) skip_past(")");
    }
    do {
      Variable next = variable;
      const Token name = take();
      next.name = name.text;
      size_t count = 1;
      while (accept("[")) {
        count *= is("]") ? 0 : number_of(take());
        expect("]");
      }
      next.size = count * size_t(size_of(element));
      next.alignment = std::max(next.alignment, size_t(size_of(element)));
      if (accept("=")) parse_initial(next, element);
      add_variable(std::move(next), function);
    } while (accept(","));
    expect(";");
  }

  void parse_initial(Variable& variable, Type element) {
    const size_t width = size_t(size_of(element));
    variable.initial.assign(variable.size, 0);
    size_t at = 0;
    const bool list = accept("{");
    while (!is("}") && !is(";")) {
      const bool negative = accept("-");
      const Token token = take();
      if (token.text == "," || token.text == "{") continue;
      if (std::isdigit((unsigned char)token.text[0])) {
        uint64_t value = number_of(token);
        if (negative) value = -value;
        if (at + width > variable.size) fail(token.line, "too many initial values of " + variable.name);
        std::memcpy(&variable.initial[at], &value, width);
      } else if (token.text == "generic" || token.text.rfind("0x", 0) == 0) {
        expect("(");
        variable.addresses.push_back({at, take().text});
        expect(")");
      } else {
        variable.addresses.push_back({at, token.text});
      }
      at += width;
    }
    if (list) expect("}");
  }

  void add_variable(Variable variable, Function* function) {
    if (variable.space == Space::param) {
      add_parameter(*function, variable.name, variable.size, variable.alignment);
      return;
    }
    if (variable.space == Space::local && function) {
      variable.local_offset = (function->local_bytes + 15) & ~size_t(15);
      function->local_bytes = variable.local_offset + variable.size;
    }
    const std::string name = variable.name;
    const auto known = module_->variable_numbers.find(name);
    if (known != module_->variable_numbers.end() && !function) {
      if (module_->variables[known->second].is_extern)
        module_->variables[known->second] = std::move(variable);
      return;
    }
    module_->variable_numbers[name] = int(module_->variables.size());
    module_->variables.push_back(std::move(variable));
  }

  Parameter add_parameter(Function& function, const std::string& name, size_t size, size_t alignment) {
    if (auto known = function.parameter_area.find(name);
        known != function.parameter_area.end() && known->second.size == size)
      return known->second;
    alignment = std::max<size_t>(alignment, 1);
    const size_t offset = (function.parameter_bytes + alignment - 1) / alignment * alignment;
    function.parameter_bytes = offset + size;
    return function.parameter_area[name] = {name, offset, size};
  }

  // --- functions
  std::vector<Parameter> parse_parameters(Function& function) {
    std::vector<Parameter> parameters;
    expect("(");
    while (!accept(")")) {
      size_t alignment = 1, count = 1;
      Type element = Type::none;
      while (here().text[0] == '.') {
        const Token token = take();
        if (token.text == ".align") alignment = number_of(take());
        if (const Type type = type_named(token.text.substr(1)); type != Type::none) element = type;
      }
      const std::string name = take().text;
      if (accept("[")) {
        count = is("]") ? 0 : number_of(take());
        expect("]");
      }
      const size_t size = count * size_t(size_of(element));
      parameters.push_back(
          add_parameter(function, name, size, std::max(alignment, size_t(size_of(element)))));
      accept(",");
    }
    return parameters;
  }

  Function& function_named(const std::string& name) {
    const auto [at, is_new] = module_->function_numbers.emplace(name, int(module_->functions.size()));
    if (is_new) {
      module_->functions.push_back(std::make_unique<Function>());
      module_->functions.back()->name = name;
    }
    return *module_->functions[at->second];
  }

  void parse_function() {
    extern_ = false;
    Function head;
    head.is_entry = take().text == ".entry";
    if (is("(")) head.results = parse_parameters(head);
    Function& function = function_named(take().text);
    if (is("(")) head.parameters = parse_parameters(head);
    if (!function.defined) {
      head.name = function.name;
      function = head;
    }
    while (here().text[0] == '.') {
      const Token directive = take();
      if (directive.text == ".maxntid") {
        function.max_threads = int(number_of(take()));
        while (accept(",")) function.max_threads *= int(number_of(take()));
      } else if (directive.text != ".noreturn") {
        while (std::isdigit((unsigned char)here().text[0]) || is(",")) take();
      }
    }
    if (accept(";")) return;
    function.defined = true;
    parse_body(function);
  }

  // What is between braces: registers that are declared there are other ones than those outside of it.
  struct Scope {
    int parent;
    std::map<std::string, int32_t> labels;
    std::map<std::string, uint32_t> registers;
  };

  void parse_body(Function& function) {
    register_count_ = 0;
    immediates_.clear();
    branches_.clear();
    scopes_.assign(1, {-1, {}, {}});
    scope_ = 0;
    location_.clear();
    expect("{");
    for (int depth = 1; depth > 0;) {
      if (accept("{")) {
        ++depth;
        scopes_.push_back({scope_, {}, {}});
        scope_ = int(scopes_.size()) - 1;
      } else if (accept("}")) {
        --depth;
        scope_ = std::max(scopes_[scope_].parent, 0);
      } else {
        parse_statement(function);
      }
    }
    for (const auto& branch : branches_) resolve(function, branch);
    function.register_count = register_count_;
  }

  void parse_statement(Function& function) {
    const std::string word = here().text;
    if (at_ + 1 < tokens_.size() && tokens_[at_ + 1].text == ":") {
      at_ += 2;
      if (is(".branchtargets")) return parse_branch_targets(function, word);
      if (is(".callprototype")) return skip_past(";");
      scopes_[scope_].labels[word] = int32_t(function.code.size());
    } else if (word == ".reg") {
      parse_registers();
    } else if (word == ".loc") {
      take();
      const std::string file = take().text;
      location_ = file + ":" + take().text;
      skip_line();
    } else if (word == ".pragma") {
      skip_past(";");
    } else if (word[0] == '.') {
      parse_variable(&function);
    } else if (!accept(";")) {
      parse_instruction(function);
    }
  }

  std::string file_name(const std::string& number) {
    std::string name = files_.count(number) ? files_[number] : "?";
    const size_t slash = name.find_last_of('/');
    name = slash == std::string::npos ? name : name.substr(slash + 1);
    while (!name.empty() && name.back() == '"') name.pop_back();
    return name;
  }

  void parse_registers() {
    take();
    const Type type = type_named(take().text.substr(1));
    if (type == Type::none) fail(here().line, "registers of an unknown type");
    do {
      const Token name = take();
      if (accept("<")) {
        const uint64_t count = number_of(take());
        for (uint64_t i = 0; i < count; ++i) declare_register(name.text + std::to_string(i));
        expect(">");
      } else {
        declare_register(name.text);
      }
    } while (accept(","));
    expect(";");
  }

  uint32_t declare_register(const std::string& name) {
    const auto [at, is_new] = scopes_[scope_].registers.emplace(name, register_count_);
    if (is_new) ++register_count_;
    return at->second;
  }
  /// The innermost declaration that is visible here.
  std::optional<uint32_t> known_register(const std::string& name) const {
    for (int scope = scope_; scope >= 0; scope = scopes_[scope].parent)
      if (const auto found = scopes_[scope].registers.find(name); found != scopes_[scope].registers.end())
        return found->second;
    return std::nullopt;
  }
  uint32_t register_named(const std::string& name) {
    const std::optional<uint32_t> known = known_register(name);
    return known ? *known : declare_register(name);
  }

  void parse_branch_targets(Function& function, const std::string& name) {
    take();
    tables_[name] = int(function.branch_tables.size());
    function.branch_tables.emplace_back();
    do {
      branches_.push_back({int(function.branch_tables.size()) - 1, int(function.branch_tables.back().size()),
                           take(), scope_});
      function.branch_tables.back().push_back(-1);
    } while (accept(","));
    expect(";");
  }

  // A place that waits for its label: an instruction (table < 0) or an entry of a branch table.
  struct Branch {
    int table, index;
    Token label;
    int scope;
  };

  void resolve(Function& function, const Branch& branch) {
    for (int scope = branch.scope; scope >= 0; scope = scopes_[scope].parent) {
      const auto found = scopes_[scope].labels.find(branch.label.text);
      if (found == scopes_[scope].labels.end()) continue;
      (branch.table < 0 ? function.code[branch.index].target
                        : function.branch_tables[branch.table][branch.index]) = found->second;
      return;
    }
    fail(branch.label.line, "unknown label " + branch.label.text);
  }

  // --- instructions
  Operand immediate(Function& function, uint64_t value) {
    const auto [at, is_new] = immediates_.emplace(value, uint32_t(function.immediates.size()));
    if (is_new) function.immediates.push_back(value);
    return {immediate_bank, false, false, at->second};
  }

  Operand parse_operand(Function& function) {
    if (accept("!")) {
      Operand operand = parse_operand(function);
      operand.negated = true;
      return operand;
    }
    const bool negative = accept("-");
    const Token token = take();
    if (token.text == "_") return {register_bank, false, true, register_named("_")};
    if (const auto special = special_names().find(token.text); special != special_names().end())
      return {special_bank, false, false, uint32_t(special->second)};
    if (const auto known = known_register(token.text)) return {register_bank, false, false, *known};
    if (std::isdigit((unsigned char)token.text[0]))
      return immediate(function, negative ? -number_of(token) : number_of(token));
    if (const auto known = function.parameter_area.find(token.text); known != function.parameter_area.end())
      return immediate(function, known->second.offset);
    if (token.text[0] == '%') {
      has_unknown_register_ = true;
      return {register_bank, false, true, register_named("_")};
    }
    return symbol(token);
  }

  Operand symbol(const Token& token) {
    auto known = module_->variable_numbers.find(token.text);
    if (known == module_->variable_numbers.end()) {
      if (!module_->function_numbers.count(token.text)) fail(token.line, "unknown name " + token.text);
      Variable pointer;
      pointer.name = token.text;
      pointer.is_function = true;
      known = module_->variable_numbers.emplace(token.text, int(module_->variables.size())).first;
      module_->variables.push_back(std::move(pointer));
    }
    return {symbol_bank, false, false, uint32_t(known->second)};
  }

  // mov of the address of a local variable, whose place depends on the frame.
  bool names_local(const Instruction& instruction) const {
    if (instruction.operands.size() != 2 || instruction.operands[1].bank != symbol_bank) return false;
    return module_->variables[instruction.operands[1].index].space == Space::local;
  }

  void parse_address(Function& function, Instruction& instruction) {
    expect("[");
    instruction.operands.push_back(parse_operand(function));
    while (is("+") || is("-")) {
      const bool negative = take().text == "-" || accept("-");
      const int64_t offset = int64_t(number_of(take()));
      instruction.offset += negative ? -offset : offset;
    }
    expect("]");
  }

  void parse_operands(Function& function, Instruction& instruction) {
    while (!is(";")) {
      if (is("[")) {
        parse_address(function, instruction);
      } else if (accept("{")) {
        const bool is_first = instruction.operands.empty();
        while (!accept("}")) {
          instruction.operands.push_back(parse_operand(function));
          accept(",");
        }
        if (is_first) instruction.vector = uint8_t(instruction.operands.size());
      } else {
        instruction.operands.push_back(parse_operand(function));
      }
      if (accept("|")) instruction.flags |= flag_second;
      else accept(",");
    }
  }

  void parse_instruction(Function& function) {
    const size_t begin = at_;
    Instruction instruction;
    if (accept("@")) {
      instruction.predicate_negated = accept("!");
      instruction.predicate = int32_t(register_named(take().text));
    }
    const Token word = take();
    Opcode opcode;
    for (size_t start = 0; start <= word.text.size();) {
      const size_t end = std::min(word.text.find('.', start), word.text.size());
      opcode.parts.push_back(std::string_view(word.text).substr(start, end - start));
      start = end + 1;
      if (const Type type = type_named(opcode.parts.back()); type != Type::none) opcode.types.push_back(type);
    }
    if (!opcode.types.empty()) instruction.type = opcode.types[0];
    instruction.source_type = opcode.types.size() > 1 ? opcode.types[1] : instruction.type;
    if (opcode.name() == "call") parse_call(function, instruction);
    else if (opcode.name() == "bra" || opcode.name() == "brx") parse_branch(function, instruction, opcode);
    else parse_operands(function, instruction);
    expect(";");
    instruction.number = uint32_t(module_->texts.size());
    module_->texts.push_back(text_between(begin, at_ - 1));
    module_->locations.push_back(location_);
    if (names_local(instruction)) instruction.flags |= flag_local;
    decode(opcode, instruction);
    if (std::exchange(has_unknown_register_, false)) instruction.run = unknown_instruction;
    function.code.push_back(std::move(instruction));
  }

  void parse_branch(Function& function, Instruction& instruction, const Opcode& opcode) {
    if (opcode.name() == "bra") {
      branches_.push_back({-1, int(function.code.size()), take(), scope_});
      return;
    }
    instruction.operands.push_back(parse_operand(function));
    expect(",");
    const Token table = take();
    if (!tables_.count(table.text)) fail(table.line, "unknown branch table " + table.text);
    instruction.target = tables_[table.text];
  }

  std::vector<Parameter> parse_call_parameters(const Function& function) {
    std::vector<Parameter> parameters;
    expect("(");
    while (!accept(")")) {
      const Token name = take();
      const auto known = function.parameter_area.find(name.text);
      if (known == function.parameter_area.end()) fail(name.line, "unknown parameter " + name.text);
      parameters.push_back(known->second);
      accept(",");
    }
    return parameters;
  }

  void parse_call(Function& function, Instruction& instruction) {
    CallSite call;
    if (is("(")) {
      call.results = parse_call_parameters(function);
      expect(",");
    }
    const Token callee = take();
    if (const auto known = known_register(callee.text))
      instruction.operands.push_back({register_bank, false, false, *known});
    else call.name = callee.text;
    if (accept(",")) {
      if (is("(")) call.arguments = parse_call_parameters(function);
      if (accept(",")) take();
    }
    instruction.target = int32_t(function.calls.size());
    function.calls.push_back(std::move(call));
  }

  std::string text_between(size_t begin, size_t end) const {
    std::string text;
    for (size_t i = begin; i < end; ++i) {
      const bool joined = text.empty() || tokens_[i].text == "," || tokens_[i].text == "]" ||
                          tokens_[i].text == ")" || tokens_[i].text == "}" ||
                          (i > begin && (tokens_[i - 1].text == "[" || tokens_[i - 1].text == "@"));
      text += (joined ? "" : " ") + tokens_[i].text;
    }
    return text;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  std::unique_ptr<Module> module_;
  bool extern_ = false, has_unknown_register_ = false;
  std::map<std::string, std::string> files_;
  // of the function being parsed
  uint32_t register_count_ = 0;
  std::map<uint64_t, uint32_t> immediates_;
  std::map<std::string, int> tables_;
  std::vector<Branch> branches_;
  std::vector<Scope> scopes_;
  int scope_ = 0;
  std::string location_;
};

struct TypeName {
  std::string_view name;
  Type type;
  int size;
};
constexpr TypeName kTypes[] = {
    {"pred", Type::pred, 1},   {"u8", Type::u8, 1},         {"u16", Type::u16, 2}, {"u32", Type::u32, 4},
    {"u64", Type::u64, 8},     {"s8", Type::s8, 1},         {"s16", Type::s16, 2}, {"s32", Type::s32, 4},
    {"s64", Type::s64, 8},     {"b8", Type::b8, 1},         {"b16", Type::b16, 2}, {"b32", Type::b32, 4},
    {"b64", Type::b64, 8},     {"b128", Type::b128, 16},    {"f16", Type::f16, 2}, {"bf16", Type::bf16, 2},
    {"f16x2", Type::f16x2, 4}, {"bf16x2", Type::bf16x2, 4}, {"f32", Type::f32, 4}, {"f64", Type::f64, 8}};

}  // namespace

int size_of(Type type) {
  for (const auto& known : kTypes)
    if (known.type == type) return known.size;
  return 0;
}

Type type_named(std::string_view name) {
  for (const auto& known : kTypes)
    if (known.name == name) return known.type;
  return Type::none;
}

bool Opcode::has(std::string_view modifier) const {
  for (size_t i = 1; i < parts.size(); ++i)
    if (parts[i] == modifier) return true;
  return false;
}

const Function* Module::entry(const std::string& name) const {
  const auto found = function_numbers.find(name);
  if (found == function_numbers.end()) return nullptr;
  const Function* function = functions[found->second].get();
  return function->is_entry && function->defined ? function : nullptr;
}

std::unique_ptr<Module> parse_module(const std::string& text) { return Parser(text).parse(); }

}  // namespace device_sim
