// The parameters of an operator, taken by name and type.
//
// Invariants: every parameter is either taken by the plugin or refused by name, so a typing error is never silent; the first problem
// wins. What is returned after a problem does not matter: the deployment is refused.
#pragma once

#include <utility>

#include "json.hpp"
#include "types.hpp"

namespace tidemill {

class Params {
public:
    explicit Params(std::string_view text) {
        json::Reader reader(text);
        entries = std::move(reader.entries);
        if (!reader.reason.empty()) {
            problem = { 1, "the parameters are not a JSON object of plain values: " + reader.reason };
        }
    }

    // They cannot be read at all.
    bool is_unreadable() const { return static_cast<bool>(problem); }

    // The number `name`.
    double number(std::string_view name) { return take(name, json::Type::number, true).number; }
    // The number `name`, or `otherwise` if it is missing.
    double number_or(std::string_view name, double otherwise) {
        return taken(take(name, json::Type::number, false), otherwise, &json::Entry::number);
    }

    // The string `name`.
    std::string text(std::string_view name) { return take(name, json::Type::text, true).text; }
    // The string `name`, or `otherwise` if it is missing.
    std::string text_or(std::string_view name, std::string_view otherwise) {
        return taken(take(name, json::Type::text, false), std::string(otherwise), &json::Entry::text);
    }

    // The boolean `name`, or `otherwise` if it is missing.
    bool flag_or(std::string_view name, bool otherwise) {
        return taken(take(name, json::Type::flag, false), otherwise, &json::Entry::flag);
    }

    // Their problem, else the plugin's own, else that of the first one nobody took.
    Problem finish(Problem own) && {
        if (problem) return std::move(problem);
        if (own || entries.empty()) return own;
        std::string known;
        for (const std::string& name : asked) known += (known.empty() ? "`" : ", `") + name + "`";
        return wrong_parameter(entries[0].name, "is unknown; this plugin takes " + (known.empty() ? "none" : known));
    }

private:
    template <class T> static T taken(const json::Entry& entry, T otherwise, T json::Entry::*member) {
        return entry.name.empty() ? otherwise : entry.*member;
    }

    // The entry, without a name if there is none of that type.
    json::Entry take(std::string_view name, json::Type type, bool required) {
        static constexpr std::string_view wanted[] = { "a number", "a string", "a boolean" };
        std::string want(wanted[static_cast<int>(type)]);
        asked.emplace_back(name);
        for (std::size_t i = 0; i < entries.size(); i++) {
            if (entries[i].name != name) continue;
            json::Entry entry = std::move(entries[i]);
            entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
            if (entry.type == type) return entry;
            std::string got = entry.type == json::Type::text ? "a string" : entry.text;
            note(wrong_parameter(name, "is " + got + ", but must be " + want));
            return {};
        }
        if (required) note(wrong_parameter(name, "is missing; give " + want));
        return {};
    }

    void note(Problem found) {
        if (!problem) problem = std::move(found);
    }

    std::vector<json::Entry> entries; // that nobody has taken
    std::vector<std::string> asked;
    Problem problem; // the first one
};

} // namespace tidemill
