# Active Record's migrations without the rest of Rails: what `bin/rails db:migrate` and its like come down to.
# SPDX-License-Identifier: Apache-2.0
require "active_record"
require "yaml"

environment = ENV.fetch("RAILS_ENV", "development")
ActiveRecord::Base.configurations = YAML.load_file("config/database.yml", aliases: true)
ActiveRecord::Base.establish_connection(environment.to_sym)
ActiveRecord::Migration.verbose = false
ActiveRecord::Migrator.migrations_paths = ["db/migrate"]
base = ActiveRecord::Base
context = base.connection.respond_to?(:migration_context) ? base.connection.migration_context : base.connection_pool.migration_context

case ARGV[0]
when "migrate" then context.migrate
when "rollback" then context.rollback(1)
when "status" then context.migrations_status.each { |row| puts row.join("\t") }
when "structure"
  require "active_record/tasks/database_tasks"
  module Rails
    def self.env = "development"
    def self.root = Dir.pwd
  end
  tasks = ActiveRecord::Tasks::DatabaseTasks
  tasks.db_dir = "db"
  tasks.root = Dir.pwd
  tasks.env = environment
  tasks.dump_schema(base.configurations.configs_for(env_name: environment).first, :sql)
else abort "unknown word"
end
