// SPDX-License-Identifier: Apache-2.0
#include "base/environment_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/parse.h"

namespace flannel {
namespace {

constexpr std::string_view kNewlines = "\n\r";
constexpr std::string_view kBlanks = " \t";
// After a backslash between double quotes, each of these stands for itself.
constexpr std::string_view kEscapable = "\"\\`$";

bool is_in(std::string_view set, char c) {
  return set.find(c) != std::string_view::npos;
}

bool is_name(std::string_view text) {
  const auto is_part = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::ranges::all_of(text, is_part);
}

class Reader {
 public:
  Reader(std::string_view text, std::string path) : text_(text) { file_.path = std::move(path); }

  Result<EnvironmentFile> read() {
    for (skip_blank_lines(); !at_end(); skip_blank_lines()) {
      if (is_in("#;", peek())) {
        skip_line();
      } else {
        TRY(read_assignment());
      }
    }
    for (auto& [name, variable] : variables_)
      file_.variables.push_back(std::move(variable));
    return std::move(file_);
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  bool at_line_end() const { return at_end() || is_in(kNewlines, peek()); }

  char take() {
    if (peek() == '\n') ++line_;
    return text_[at_++];
  }

  void skip_blank_lines() {
    while (!at_end() && (is_in(kNewlines, peek()) || is_in(kBlanks, peek())))
      take();
  }

  void skip_line() {
    while (!at_line_end())
      take();
  }

  std::string place(std::size_t line) const { return fmt::format("{}:{}", file_.path, line); }

  void skip(std::size_t line, std::string_view why) {
    file_.skipped.push_back(fmt::format("{} is not read: {}", place(line), why));
  }

  Result<void> read_assignment() {
    const std::size_t line = line_;
    const std::size_t begin = at_;
    while (!at_line_end() && peek() != '=')
      take();
    const std::string name(trim(text_.substr(begin, at_ - begin)));
    if (at_line_end()) {
      skip(line, "it has no =");
      return {};
    }
    take();
    std::string value = TRY(read_value());
    if (value.find('\0') != std::string::npos) {
      return fail(ErrorKind::invalid, place(line) + ": the value has a zero byte");
    }
    if (is_name(name)) {
      variables_.insert_or_assign(name, EnvironmentFile::Variable{name, std::move(value), line});
    } else {
      skip(line, "what stands before = is no name of a variable");
    }
    return {};
  }

  // Quotes count only before the first character without quotes, as in systemd.
  Result<std::string> read_value() {
    std::string value;
    for (;;) {
      while (!at_end() && is_in(kBlanks, peek()))
        take();
      if (at_line_end()) return value;
      if (peek() == '\'') {
        TRY(read_single_quoted(value));
      } else if (peek() == '"') {
        TRY(read_double_quoted(value));
      } else {
        read_unquoted(value);
        return value;
      }
    }
  }

  Failure unended(std::size_t line) const {
    return fail(ErrorKind::invalid, place(line) + ": the quote that begins here does not end");
  }

  Result<void> read_single_quoted(std::string& value) {
    const std::size_t line = line_;
    take();
    while (!at_end()) {
      const char c = take();
      if (c == '\'') return {};
      value += c;
    }
    return unended(line);
  }

  Result<void> read_double_quoted(std::string& value) {
    const std::size_t line = line_;
    take();
    while (!at_end()) {
      const char c = take();
      if (c == '"') return {};
      if (c != '\\') {
        value += c;
        continue;
      }
      if (at_end()) break;
      const char escaped = take();
      if (escaped == '\n') continue;
      if (!is_in(kEscapable, escaped)) value += '\\';
      value += escaped;
    }
    return unended(line);
  }

  // Blanks at the end are not part of the value, unless a backslash precedes them.
  void read_unquoted(std::string& value) {
    std::size_t end = value.size();
    while (!at_line_end()) {
      char c = take();
      const bool escaped = c == '\\';
      if (escaped) {
        if (at_end()) break;
        c = take();
        if (is_in(kNewlines, c)) continue;
      }
      value += c;
      if (escaped || !is_in(kBlanks, c)) end = value.size();
    }
    value.resize(end);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::map<std::string, EnvironmentFile::Variable> variables_;
  EnvironmentFile file_;
};

}  // namespace

const EnvironmentFile::Variable* EnvironmentFile::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(variables, name, {}, &Variable::name);
  return found == variables.end() || found->name != name ? nullptr : &*found;
}

Result<EnvironmentFile> parse_environment_file(std::string_view text, std::string path) {
  return Reader(text, std::move(path)).read();
}

Result<EnvironmentFile> read_environment_file(const std::string& path) {
  return parse_environment_file(TRY(read_file(path)), path);
}

}  // namespace flannel
