// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace flannel {

struct HttpRequest {
  std::string method;                        // "GET"
  std::string path;                          // "/readyz", percent-decoded, without the query
  std::map<std::string, std::string> query;  // the first of equal names

  bool asks(const std::string& name) const { return query.contains(name); }
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

}  // namespace flannel
