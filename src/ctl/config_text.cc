// SPDX-License-Identifier: Apache-2.0
#include "ctl/config_text.h"

#include <istream>
#include <iterator>
#include <ostream>

#include "base/file.h"
#include "base/parse.h"
#include "base/printable.h"

namespace flannel {
namespace {

constexpr std::size_t kLongest = 1 << 20;

Result<std::string> read_stream(std::istream& in) {
  std::string text(kLongest + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kLongest) {
    return fail(ErrorKind::invalid, "read standard input: longer than 1 MiB");
  }
  return text;
}

}  // namespace

Result<std::string> read_config_text(const std::string& word, const Terminal& terminal) {
  if (trim(word).starts_with('{')) return std::string(trim(word));
  if (trim(word).empty()) {
    return fail(ErrorKind::invalid,
                "the configuration is an empty word: give a file, - for standard input, or the "
                "JSON text");
  }
  if (word == "-") return std::string(trim(TRY(read_stream(terminal.in))));
  auto text = read_file(word, kLongest);
  if (!text && word.find_first_of("{:=") != std::string::npos) {
    text.error().text += "; a word that is to be the JSON text itself begins with {";
  }
  return std::string(trim(TRY(std::move(text))));
}

void print_warnings(const std::vector<std::string>& warnings, const Terminal& terminal) {
  for (const std::string& warning : warnings) {
    terminal.err << "flannelctl: warning: " << printable(warning) << "\n";
  }
}

}  // namespace flannel
