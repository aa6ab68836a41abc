// SPDX-License-Identifier: Apache-2.0
// One request and its answer, as bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace flannel {

// What a server answers; called on the thread of the loop that serves.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class HttpExchange {
 public:
  explicit HttpExchange(HttpHandler handler);
  ~HttpExchange();

  // Where the head of a request ends, behind its blank line; nothing: more has to come. The first
  // `searched` bytes were asked about before.
  static std::optional<std::size_t> end_of_head(std::string_view received, std::size_t searched);

  // The whole answer to `request`, a head with whatever came behind it; to one that is cut short
  // or makes no sense an error of HTTP, or nothing. A body is not read.
  std::string answer(std::string_view request);

 private:
  class Protocol;
  std::unique_ptr<Protocol> protocol_;
};

}  // namespace flannel
