// SPDX-License-Identifier: Apache-2.0
// A client for one server: one call after another, each of which can be cut at once, however long
// the server or the resolver takes. The calls are made on a thread of the connection's own;
// everything here is for the loop thread, and so are the callbacks. Deadlines are the caller's: a
// timer and cut().
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "http/resolver.h"
#include "http/target.h"
#include "http/tls_context.h"
#include "loop/loop.h"
#include "loop/loop_gate.h"

namespace flannel {

struct HttpAccess {
  HttpTarget target;
  std::shared_ptr<const TlsMaterial> tls = {};  // nothing: no files were given
  std::string username = {}, password = {};     // basic authentication, if there is a username
  std::shared_ptr<Resolver> resolver = {};      // nothing: one of the connection's own
};

struct HttpCall {
  std::string method;
  std::string path;  // encoded, with the query
  std::string body;
  std::string content_type;                // of the body
  std::size_t longest_answer = 64U << 20;  // bytes that are kept; a longer one is a failure
  // What to keep of the bytes as they come, on the connection's thread; empty: all of them.
  std::function<void(std::string_view bytes, std::string& body)> keep = {};
};

struct HttpHead {
  int status = 0;                              // 0: none was received
  std::map<std::string, std::string> headers;  // names in lower case; of one given twice the last
};

struct HttpEnd {
  HttpHead head;             // what came of it, even if the body is a failure
  Result<std::string> body;  // ErrorKind::unavailable if the answer is missing or cut short
  bool sent = true;          // false: the server cannot have seen the call
};

class HttpConnection {
 public:
  struct Listener {
    std::function<void(const HttpHead&)> on_head;  // as soon as it is there; may be empty
    std::function<void(HttpEnd)> on_end;           // may destroy the connection, or send again
  };

  // `keep_open`: the next call uses the same TCP connection if it is still there. A kept one may
  // have died unnoticed, so it is for calls that do no harm when made twice.
  HttpConnection(HttpAccess access, bool keep_open, Loop& loop);
  // Cuts the call under way; its listener is not called any more. Takes milliseconds.
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // No call is under way.
  void send(HttpCall call, Listener listener);
  bool busy() const { return busy_; }
  // Ends the call under way, if there is one, with this error, or with one that says that the name
  // is still not resolved.
  void cut(Error why);

 private:
  class Worker;
  void on_head(const HttpHead& head);
  void on_end(HttpEnd end);

  std::shared_ptr<Worker> worker_;
  Listener listener_;
  bool busy_ = false;
  std::thread thread_;
  LoopGate gate_;
};

}  // namespace flannel
