// SPDX-License-Identifier: Apache-2.0
// Whatever a stranger sends to the health port: the end of the head is found wherever the bytes are
// cut, the handler is called at most once, and what is sent is nothing or one answer of HTTP.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/expect.h"
#include "http/exchange.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static int calls = 0;
  static flannel::HttpExchange exchange([](const flannel::HttpRequest& request) {
    ++calls;
    return flannel::HttpResponse{200, request.method + " " + request.path};
  });
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto end = flannel::HttpExchange::end_of_head(bytes, 0);
  for (std::size_t cut = 0; end && cut < *end; ++cut) {
    FUZZ_EXPECT(!flannel::HttpExchange::end_of_head(bytes.substr(0, cut), 0));
    FUZZ_EXPECT(flannel::HttpExchange::end_of_head(bytes, cut) == end);
  }
  calls = 0;
  const std::string answer = exchange.answer(bytes);
  FUZZ_EXPECT(calls <= 1);
  FUZZ_EXPECT(answer.empty() || answer.starts_with("HTTP/1.1 "));
  return 0;
}
