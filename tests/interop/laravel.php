<?php
/* Laravel's migrator without the rest of Laravel: what `php artisan migrate` and its like come down to.
 * SPDX-License-Identifier: Apache-2.0 */
error_reporting(E_ALL & ~E_DEPRECATED);
foreach (['Illuminate/Database', 'Illuminate/Filesystem', 'Illuminate/Events', 'Illuminate/Support'] as $part) {
    require_once "$part/autoload.php";
}

use Illuminate\Database\Capsule\Manager;
use Illuminate\Database\Migrations\DatabaseMigrationRepository;
use Illuminate\Database\Migrations\Migrator;
use Illuminate\Filesystem\Filesystem;
use Illuminate\Support\Facades\Facade;

$manager = new Manager();
$manager->addConnection(json_decode(file_get_contents('connection.json'), true));
$container = $manager->getContainer();
$container->instance('db', $manager->getDatabaseManager());
$container->bind('db.schema', fn () => $manager->getDatabaseManager()->connection()->getSchemaBuilder());
Facade::setFacadeApplication($container);
Illuminate\Container\Container::setInstance($container);

$repository = new DatabaseMigrationRepository($manager->getDatabaseManager(), 'migrations');
$migrator = new Migrator($repository, $manager->getDatabaseManager(), new Filesystem());
if (!$repository->repositoryExists()) {
    $repository->createRepository();
}
$folder = 'database/migrations';
switch ($argv[1]) {
    case 'migrate':
        $migrator->run([$folder]);
        break;
    case 'rollback':
        $migrator->rollback([$folder], ['step' => (int) ($argv[2] ?? 0)]);
        break;
    case 'status':
        $ran = $repository->getRan();
        foreach (array_keys($migrator->getMigrationFiles([$folder])) as $name) {
            echo in_array($name, $ran) ? 'Ran' : 'Pending', "\t$name\n";
        }
        break;
    default:
        exit(1);
}
