// SPDX-License-Identifier: Apache-2.0
#include "filter/nftables.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/parse.h"

namespace flannel {
namespace {

// NFT_CTX_OUTPUT_HANDLE and NFT_CTX_OUTPUT_JSON of nftables/libnftables.h.
constexpr unsigned kWithHandles = 1U << 3;
constexpr unsigned kAsJson = 1U << 4;

// The library reports an error in several lines: the error, the command, and arrows under the
// place; and so again for each command that the kernel refused.
std::string on_one_line(std::string_view text) {
  std::vector<std::string_view> lines;
  for (const std::string_view part : split(text, '\n')) {
    const std::string_view words = trim(part);
    if (words.find_first_not_of("^~ \t") == std::string_view::npos) continue;
    if (std::ranges::find(lines, words) == lines.end()) lines.push_back(words);
  }
  return lines.empty() ? "no reason given" : fmt::format("{}", fmt::join(lines, ": "));
}

}  // namespace

// The functions of libnftables.h, declared here so that the build does not need the header.
struct Nftables::Library {
  void* handle = nullptr;
  void* (*ctx_new)(std::uint32_t flags) = nullptr;
  void (*ctx_free)(void* context) = nullptr;
  int (*buffer_output)(void* context) = nullptr;
  int (*buffer_error)(void* context) = nullptr;
  const char* (*output)(void* context) = nullptr;
  const char* (*error)(void* context) = nullptr;
  void (*set_output)(void* context, unsigned flags) = nullptr;
  int (*run)(void* context, const char* commands) = nullptr;

  Library() = default;
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (handle) ::dlclose(handle);
  }

  template <typename Function>
  bool find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    return function != nullptr;
  }

  static Result<std::shared_ptr<const Library>> load() {
    auto library = std::make_shared<Library>();
    library->handle = ::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library->handle) {
      return fail(ErrorKind::unsupported, std::string("load libnftables: ") + ::dlerror());
    }
    const bool complete = library->find(library->ctx_new, "nft_ctx_new") &&
                          library->find(library->ctx_free, "nft_ctx_free") &&
                          library->find(library->buffer_output, "nft_ctx_buffer_output") &&
                          library->find(library->buffer_error, "nft_ctx_buffer_error") &&
                          library->find(library->output, "nft_ctx_get_output_buffer") &&
                          library->find(library->error, "nft_ctx_get_error_buffer") &&
                          library->find(library->set_output, "nft_ctx_output_set_flags") &&
                          library->find(library->run, "nft_run_cmd_from_buffer");
    if (!complete) return fail(ErrorKind::unsupported, "load libnftables: it lacks a function");
    return library;
  }
};

Result<std::unique_ptr<Nftables>> Nftables::open() {
  auto library = TRY(Library::load());
  auto netfilter = TRY(open_netfilter());
  void* context = library->ctx_new(0);
  if (!context) return fail(ErrorKind::system, "open nftables: no context");
  std::unique_ptr<Nftables> nftables(
      new Nftables(std::move(library), context, std::move(netfilter)));
  if (nftables->library_->buffer_output(context) != 0 ||
      nftables->library_->buffer_error(context) != 0) {
    return fail(ErrorKind::exhausted, "open nftables: no memory for its output");
  }
  return nftables;
}

Nftables::Nftables(std::shared_ptr<const Library> library, void* context, NetlinkSocket netfilter)
    : library_(std::move(library)), context_(context), netfilter_(std::move(netfilter)) {}

Nftables::~Nftables() {
  library_->ctx_free(context_);
}

Result<void> Nftables::run(const std::string& commands) {
  TRY(output_of(commands));
  return {};
}

Result<std::string> Nftables::list_table(const std::string& table) {
  auto listing = output_of("list table " + table);
  if (listing) return listing;
  const auto names = TRY(tables());
  if (std::ranges::find(names, table) != names.end()) return listing;
  return fail(ErrorKind::not_found, "there is no table " + table + " in nftables");
}

Result<Nftables::Ruleset> Nftables::list_ruleset() {
  Ruleset all;
  all.json = TRY(output_of("list ruleset", kAsJson));
  all.text = TRY(output_of("list ruleset", kWithHandles));
  return all;
}

Result<std::string> Nftables::output_of(const std::string& commands, unsigned flags) {
  library_->set_output(context_, flags);
  const int failed = library_->run(context_, commands.c_str());
  std::string output = library_->output(context_);
  const std::string error = library_->error(context_);
  if (failed != 0) return fail(ErrorKind::system, "nftables: " + on_one_line(error));
  return output;
}

}  // namespace flannel
