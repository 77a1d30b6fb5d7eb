// What a run writes down beside its records.
#pragma once

#include <spdlog/spdlog.h>

#include <filesystem>
#include <memory>

namespace redoubt::experiments {

/// All goes to the file, if there is one; warnings go to the screen, too.
std::shared_ptr<spdlog::logger> make_log(const std::filesystem::path& file);

}  // namespace redoubt::experiments
