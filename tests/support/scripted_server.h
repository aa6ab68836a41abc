// SPDX-License-Identifier: Apache-2.0
// An HTTP server whose answers a test writes byte for byte, for what no real server does on demand.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.h"
#include "http/listen.h"

namespace flannel {

class ScriptedServer {
 public:
  // Called on a thread of the connection with the head of a request, which begins with
  // "GET /path HTTP/1.1", and its body. Returns the whole answer; empty: the connection is closed
  // without one. An answer that is shorter than its Content-Length closes the connection, too.
  using Script = std::function<std::string(const std::string& head, const std::string& body)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(listener_.port); }

  // "HTTP/1.1 200 OK" with `headers`, each with its line end, and a body of `body`.
  static std::string answer(int status, const std::string& headers, const std::string& body);

 private:
  void accept_all();
  void serve(int fd);

  TcpListener listener_;
  Script script_;
  std::mutex mutex_;  // of the two below
  std::list<Fd> connections_;
  std::list<std::thread> servers_;
  std::thread thread_;
};

}  // namespace flannel
