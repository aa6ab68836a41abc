// SPDX-License-Identifier: Apache-2.0
// Whatever stands in an environment file: what is found in it is found again when it is written
// with quotes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/environment_file.h"
#include "fuzz/expect.h"

namespace {

std::string quoted(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    if (std::string_view("\"\\`$").find(c) != std::string_view::npos) text += '\\';
    text += c;
  }
  return text + "\"";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = flannel::parse_environment_file(text, "file");
  if (!file) return 0;
  std::string again;
  for (const auto& variable : file->variables) {
    FUZZ_EXPECT(!variable.name.empty());
    FUZZ_EXPECT(variable.value.find('\0') == std::string::npos);
    FUZZ_EXPECT(variable.line >= 1 && variable.line <= size);
    FUZZ_EXPECT(file->find(variable.name) == &variable);
    again += variable.name + "=" + quoted(variable.value) + "\n";
  }
  const auto read = flannel::parse_environment_file(again, "file");
  FUZZ_EXPECT(read && read->skipped.empty());
  FUZZ_EXPECT(read->variables.size() == file->variables.size());
  for (const auto& variable : file->variables)
    FUZZ_EXPECT(read->find(variable.name)->value == variable.value);
  return 0;
}
